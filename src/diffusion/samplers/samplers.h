/* SPDX-License-Identifier: MIT */
/* The functions of the table of samplers: a file each. */
#ifndef RIN_SAMPLERS_H
#define RIN_SAMPLERS_H

#include "diffusion/sampler.h"

void rin_mix_ddim(const rin_transition *t, rin_mixture *x, rin_mixture *base);
void rin_mix_dpmpp2m(const rin_transition *t, rin_mixture *x, rin_mixture *base);
void rin_mix_ddpm(const rin_transition *t, rin_mixture *x, rin_mixture *base);
void rin_mix_ddpm_small(const rin_transition *t, rin_mixture *x, rin_mixture *base);
void rin_mix_heun(const rin_transition *t, rin_mixture *x, rin_mixture *base);
bool rin_heun_has_second(const rin_transition *t);
void rin_mix_unipc(const rin_transition *t, rin_mixture *x, rin_mixture *base);

#endif
