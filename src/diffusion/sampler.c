/* SPDX-License-Identifier: MIT */
/* The table of samplers, in the order of the words. */
#include "diffusion/samplers/samplers.h"

static const rin_sampler_row rows[] = {
    [RIN_SAMPLER_DDIM] = {.name = "ddim",
                          .about = "the paper's deterministic sampler, first order",
                          .spacing = RIN_SPACING_UNIFORM,
                          .steps = 25,
                          .eta = true,
                          .td = true,
                          .mix = rin_mix_ddim},
    [RIN_SAMPLER_DPMPP2M] = {.name = "dpmpp2m",
                             .about = "DPM-Solver++(2M), second order; with --set sample.eta=1 its stochastic form",
                             .spacing = RIN_SPACING_LOGSNR,
                             .steps = 24,
                             .keeps = 1,
                             .eta = true,
                             .mix = rin_mix_dpmpp2m},
    [RIN_SAMPLER_UNIPC] = {.name = "unipc",
                           .about = "UniPC, corrects each step by the next estimate",
                           .spacing = RIN_SPACING_LOGSNR,
                           .steps = 24,
                           .keeps = 2,
                           .corrects = true,
                           .mix = rin_mix_unipc},
    [RIN_SAMPLER_HEUN] = {.name = "heun",
                          .about = "Heun's second order step of EDM; takes --churn",
                          .spacing = RIN_SPACING_KARRAS,
                          .steps = 18,
                          .keeps = 1,
                          .churn = true,
                          .mix = rin_mix_heun,
                          .has_second = rin_heun_has_second},
    [RIN_SAMPLER_EULER] = {.name = "euler",
                           .about = "another name of ddim, on the levels of dpmpp2m",
                           .spacing = RIN_SPACING_LOGSNR,
                           .steps = 50,
                           .eta = true,
                           .mix = rin_mix_ddim},
    [RIN_SAMPLER_DDPM] = {.name = "ddpm",
                          .about = "the paper's sampler, fresh noise at every step",
                          .spacing = RIN_SPACING_UNIFORM,
                          .steps = 400,
                          .noisy = true,
                          .published = true,
                          .td = true,
                          .mix = rin_mix_ddpm},
    [RIN_SAMPLER_DDPM_SMALL] = {.name = "ddpm@small",
                                .about = "the same with the smaller variance: ddim with sample.eta=1",
                                .spacing = RIN_SPACING_UNIFORM,
                                .steps = 400,
                                .noisy = true,
                                .published = true,
                                .td = true,
                                .mix = rin_mix_ddpm_small},
};

const rin_sampler_row *rin_sampler_find(rin_sampler sampler) {
    return &rows[(size_t)sampler < RIN_COUNT(rows) ? (size_t)sampler : 0];
}

bool rin_sampler_get(size_t index, rin_sampler_about *about) {
    if (index >= RIN_COUNT(rows) || !about) return false;
    const rin_sampler_row *row = &rows[index];
    *about = (rin_sampler_about){.name = row->name,
                                 .about = row->about,
                                 .spacing = rin_words_spacing[row->spacing],
                                 .steps = row->steps,
                                 .evaluations = row->has_second ? 2 : 1};
    return true;
}
