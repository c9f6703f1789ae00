/* SPDX-License-Identifier: MIT */
/*
 * librin: Recurrent Interface Networks for image and video diffusion.
 *
 * The one public header. Every handle is opaque. Fallible functions return a rin_status and write what went
 * wrong to the caller's rin_error (which may be NULL). The library never exits, never prints and keeps no
 * global state: handles may be used from different threads as long as each handle is used by one at a time. Generators
 * of one model may run in different threads; they take turns, evaluation by evaluation. Its own threads take no
 * signals. Those that call it want a stack of 128 KiB at least. One thing belongs to the whole process: where FFmpeg's
 * remarks go. The first video that is read or written sets FFmpeg's log callback, so that it is silent while it works
 * for this library; programs that want it for themselves set it after that.
 *
 * A NULL where none is allowed is refused (ARG), or answered by NULL, 0, false or -1; what is not there is done. What a
 * call leaves in *error counts only where it did not return RIN_OK. After fork() the child has none of the library's
 * threads: it may open handles of its own, and must neither use nor free those that it inherited. Networks are computed
 * rounding to nearest and without traps; everything else in the arithmetic of the calling thread.
 */
#ifndef RIN_H
#define RIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32)
#define RIN_API
#else
#define RIN_API __attribute__((visibility("default")))
#endif

/* ---- status and errors ------------------------------------------------------------------------------- */

typedef enum rin_status {
    RIN_OK = 0,
    RIN_ERR_ARG,         /* a wrong argument of a function */
    RIN_ERR_CONFIG,      /* an option or a combination of options that is not allowed */
    RIN_ERR_SHAPE,       /* tensors whose shapes do not fit together */
    RIN_ERR_IO,          /* the operating system refused to read or write */
    RIN_ERR_FORMAT,      /* a file that is not what it should be */
    RIN_ERR_MEMORY,      /* out of memory, threads or open files */
    RIN_ERR_UNSUPPORTED, /* not available in this build or on this machine */
    RIN_ERR_DEVICE,      /* a device failed */
    RIN_ERR_NUMERIC,     /* a number that is not finite */
    RIN_ERR_CANCELLED,   /* the caller asked to stop */
    RIN_ERR_BUSY,        /* another program or handle is at work on it */
    RIN_ERR_INTERNAL     /* a defect of the library */
} rin_status;

/* What went wrong: what, where, the value seen, what is allowed, what to try. Clear with {0}, in C++ {}. */
typedef struct rin_error {
    rin_status code;
    char text[1024];
} rin_error;

/* Name of a status, such as "IO". Never NULL. */
RIN_API const char *rin_status_name(rin_status status);

typedef enum rin_log_level { RIN_LOG_INFO, RIN_LOG_WARNING } rin_log_level;

/* Receives the library's remarks, a line each without the newline. May be called from loader threads, and from several
 * at once. Callbacks return: they neither throw nor longjmp, and free no handle. */
typedef void (*rin_log_fn)(void *user, rin_log_level level, const char *text);

/* ---- configuration ---- */

/*
 * Every option of the program: model, diffusion, train, data, sample. Keys read "section.key". A call that fails
 * leaves the configuration as it was. Texts handed out are freed by rin_string_free.
 */
typedef struct rin_config rin_config;

/* What there is to know about an option. All texts live as long as the program. */
typedef struct rin_option {
    const char *name; /* section.key */
    const char *section, *key;
    const char *type;         /* int, ints, real, bool, word or text */
    const char *preset_value; /* the default, which is that of the preset 'small' */
    const char *allowed;      /* such as "1 to 64" or "eps | x | v" */
    const char *help;         /* one line */
} rin_option;

RIN_API void rin_string_free(char *text);

/* A configuration of defaults. Ownership: *out is freed by rin_config_free, which accepts NULL. */
RIN_API rin_status rin_config_create(rin_config **out, rin_error *error);
RIN_API rin_status rin_config_copy(const rin_config *config, rin_config **out, rin_error *error);
RIN_API void rin_config_free(rin_config *config);

/* One option from and to text. get writes the canonical text, which sets the same value again. Errors: CONFIG. */
RIN_API rin_status rin_config_set(rin_config *config, const char *key, const char *value, rin_error *error);
RIN_API rin_status rin_config_get(const rin_config *config, const char *key, char **value, rin_error *error);
/* Whether the option was set by rin_config_set or a file, rather than by default or preset. False for unknown keys. */
RIN_API bool rin_config_is_set(const rin_config *config, const char *key);

/* The options in their order; get returns NULL from index rin_option_count() on. */
RIN_API size_t rin_option_count(void);
RIN_API const rin_option *rin_option_get(size_t index);
/* The known key most like this one, or NULL when none is close. */
RIN_API const char *rin_config_nearest_key(const char *key);

/*
 * Sets the options an INI file names: [section] lines, then key = value; # and ; begin comments. A line preset = NAME
 * before all sections loads a built-in preset first. name stands for the text in messages. Errors: IO; CONFIG for an
 * unknown or repeated key, or a bad value; FORMAT for anything else.
 */
RIN_API rin_status rin_config_load_file(rin_config *config, const char *path, rin_error *error);
RIN_API rin_status rin_config_load_text(rin_config *config, const char *text, const char *name, rin_error *error);

/* Sets the options of a built-in preset. Errors: CONFIG for an unknown name; the message lists the names. */
RIN_API rin_status rin_config_load_preset(rin_config *config, const char *name, rin_error *error);
RIN_API size_t rin_preset_count(void);
/* NULL from index rin_preset_count() on. text is the whole INI file. */
RIN_API const char *rin_preset_name(size_t index);
RIN_API const char *rin_preset_summary(size_t index);
RIN_API const char *rin_preset_text(size_t index);

/* All options as a commented INI file that loads back to the same values. */
RIN_API rin_status rin_config_format(const rin_config *config, char **ini, rin_error *error);

/* The reference of all options and presets, as Markdown. */
RIN_API rin_status rin_config_describe(char **markdown, rin_error *error);

/* Refuses combinations of options that cannot work: which key, its value, what is allowed, what to try (CONFIG). */
RIN_API rin_status rin_config_validate(const rin_config *config, rin_error *error);

/* ---- progress and cancellation ---- */

typedef struct rin_progress {
    const char *doing; /* "train", "evaluation", "load", "measure", "compare" and so on: what is counted; static text */
    int64_t done, total; /* steps, evaluations or images; total is 0 where it is not known */
    double seconds, eta; /* spent since this work began, with a handle's first step; and estimated to the end */
    double images_per_second;
    const char *unit; /* of these: "images", "clips" or "videos"; NULL where there are none; static text */
    double loss;      /* training: of the last step; else 0 */
    double grad_norm, learning_rate;
    double wait_seconds;     /* training: time that steps waited for data */
    int64_t memory_bytes;    /* training: peak resident memory of the process */
    bool saved;              /* training: a checkpoint was written after this step */
    const char *sample_path; /* training: the picture that was written after this step, within the run's folder; NULL
                              * where none was; valid until the next step */
    int64_t bad_steps;       /* training: steps so far that were not applied, their loss or gradient not finite */
} rin_progress;

/* Called after every step, and now and then while there is none, from the thread that called the library. Return false
 * to stop: the call then ends with CANCELLED, training after it has saved. */
typedef bool (*rin_progress_fn)(void *user, const rin_progress *progress);

/* Where a call reports to. All may be NULL. */
typedef struct rin_listener {
    rin_progress_fn on_progress;
    rin_log_fn on_log;
    void *user;
} rin_listener;

/* ---- training ---- */

typedef struct rin_trainer rin_trainer;

/*
 * Starts a training run: data is a folder or archive of images, run a folder that does not exist or is empty. Options
 * that follow from the data (classes, channels) are set unless config has them set. config is copied. The run's folder
 * is locked until rin_trainer_free.
 * Errors: CONFIG for options that do not fit; UNSUPPORTED, DEVICE for a train.device that cannot be had here; MEMORY
 * for a network that does not fit; IO, FORMAT for data and folder; BUSY when another trainer holds the folder.
 */
RIN_API rin_status rin_trainer_create(const rin_config *config, const char *data, const char *run,
                                      rin_listener listener, rin_trainer **out, rin_error *error);
/*
 * Continues a run from its last checkpoint, bit for bit as if it had never stopped (same machine and device). A
 * checkpoint that cannot be read is reported and the one before is used. data is where the data has moved to, NULL when
 * it has not; it must be the same images under the same names. steps > 0 is where the run now ends, before or after
 * what was planned. Of changes, which may be NULL, those options are taken that are set and that rin_trainer_may_change
 * allows: the run goes on the same, with another train.device or train.precision but for rounding. All this is written
 * into the run's folder, from where everything else comes. Errors: as above; UNSUPPORTED, DEVICE where the run's device
 * cannot be had.
 */
RIN_API rin_status rin_trainer_resume(const char *run, const char *data, int64_t steps, const rin_config *changes,
                                      rin_listener listener, rin_trainer **out, rin_error *error);
/* Whether a run may go on with another value of this option, "section.key". */
RIN_API bool rin_trainer_may_change(const char *option);
RIN_API void rin_trainer_free(rin_trainer *trainer);
/* The resolved configuration; borrowed. */
RIN_API const rin_config *rin_trainer_config(const rin_trainer *trainer);
RIN_API int64_t rin_trainer_steps_done(const rin_trainer *trainer);
RIN_API bool rin_trainer_is_done(const rin_trainer *trainer);
/*
 * One optimiser step, with the line of metrics, the checkpoint and the sample picture that are due after it. progress
 * may be NULL. A step whose loss or gradient is not finite is not applied, but reported and counted. A checkpoint,
 * line or picture that cannot be written is reported; the first two are tried again, so nothing is lost by that.
 * Errors: NUMERIC after train.max_bad_steps such steps in a row, the last checkpoint stays; what loading data meets;
 * IO, MEMORY when the checkpoint of the last step cannot be written; CANCELLED by the listener.
 */
RIN_API rin_status rin_trainer_step(rin_trainer *trainer, rin_progress *progress, rin_error *error);
/* Writes a checkpoint now. Errors: IO, MEMORY; the one before stays. */
RIN_API rin_status rin_trainer_save(rin_trainer *trainer, rin_error *error);
/* Steps until the end, or until the listener says stop: then saves and returns CANCELLED. Also saves before it returns
 * any other error but NUMERIC, and never while steps are not applied: then the last checkpoint stays. May be called
 * again, after an error too: it goes on where it was, and saves what it could not save before. */
RIN_API rin_status rin_trainer_run(rin_trainer *trainer, rin_error *error);

/* ---- trained models ---- */

typedef struct rin_model rin_model;

/* Opens a .safetensors file or a run's folder. device: "cpu" (NULL), or a row of `rin help bench` such as "cuda", with
 * ":1" for the second GPU; threads 0: all. Errors: IO; FORMAT, CONFIG, SHAPE for what is no model; ARG, UNSUPPORTED,
 * DEVICE for a device that cannot be had; MEMORY. */
RIN_API rin_status rin_model_open(const char *path, const char *device, int threads, rin_model **out, rin_error *error);
RIN_API void rin_model_free(rin_model *model);
/* Model and diffusion options as stored, others at their defaults; borrowed. */
RIN_API const rin_config *rin_model_config(const rin_model *model);
RIN_API int64_t rin_model_steps(const rin_model *model);
/* 0 for an unconditional model; names are borrowed, "" where a class has none. */
RIN_API int64_t rin_model_class_count(const rin_model *model);
RIN_API const char *rin_model_class_name(const rin_model *model, int64_t index);
/* Number of a class given by name or by number; -1 when there is none. */
RIN_API int64_t rin_model_find_class(const rin_model *model, const char *name);
/* What a file is, as lines for people or as one JSON object; *text is freed by rin_string_free. Reads no weights. */
RIN_API rin_status rin_model_describe(const char *path, bool json, char **text, rin_error *error);

/* ---- sampling ---- */

/* Frames of a video. Cleared by rin_video_frames_clear. */
typedef struct rin_video_frames {
    uint8_t *pixels; /* (n, height, width, channels) of the model's frames */
    int64_t n;
    double rate; /* of these frames, a second; 0 for pictures, which have none */
} rin_video_frames;

/*
 * Reads up to `most` frames (1 to 1048576) of a video, from `start` seconds on, or below 0 the last ones: cropped and
 * shrunk as in training, at the config's data.fps and data.frame_step. path: a video file, an animation, a folder of
 * numbered pictures; an archive or a pack of one video. Fewer where it ends. Errors: IO; ARG when there are several
 * videos; FORMAT, UNSUPPORTED for what cannot be decoded; MEMORY.
 */
RIN_API rin_status rin_video_frames_read(const rin_config *config, const char *path, double start, int64_t most,
                                         rin_listener listener, rin_video_frames *out, rin_error *error);
RIN_API void rin_video_frames_clear(rin_video_frames *frames);

typedef struct rin_generator rin_generator;

/*
 * Prepares `count` pictures, of a video model videos of sample.frames frames. config gives the options sample.*;
 * classes [count] are numbers, -1 for no label, or NULL. Picture i depends on (model, options, seed, i, classes[i]) and
 * the frames it was given alone. model must outlive the generator. Errors: as rin_generator_create_as.
 */
RIN_API rin_status rin_generator_create(rin_model *model, const rin_config *config, int64_t count,
                                        const int64_t *classes, uint64_t seed, rin_generator **out, rin_error *error);

/* What is to be made. All borrowed, model and guide until the generator is freed; fields that are 0 ask for nothing. */
typedef struct rin_sample_request {
    rin_model *model;
    const rin_config *config; /* gives the options sample.* */
    int64_t count;
    const int64_t *classes; /* [count] as above, or NULL */
    uint64_t seed;
    rin_model *guide; /* what sample.guidance leads away from; NULL: the model without labels */
    /* (height, width, channels) of the model: what every picture begins with below sample.strength 1, and what stays
     * where the mask says so. */
    const uint8_t *picture;
    const uint8_t *mask; /* (height, width): 0 stays as it is, 255 is made anew, or between */
    /* Picture i begins with noise i / (count - 1) of the way from that of seed to that of *other_seed, and has that
     * share of the last class instead of the first. Only with samplers that add no noise. */
    const uint64_t *other_seed;
    bool film; /* keep what rin_generator_write_film shows */
    /* What files that are written call these, such as their paths; copied. NULL: models go by the path of their file,
     * of the others nothing is said. */
    const char *model_name, *guide_name, *picture_name, *mask_name;
} rin_sample_request;

/* Errors: CONFIG for options that do not go together; ARG for classes that there are not, and for what is missing;
 * UNSUPPORTED for pictures, masks, seeds and films of models that make videos; MEMORY. */
RIN_API rin_status rin_generator_create_as(const rin_sample_request *request, rin_generator **out, rin_error *error);
RIN_API void rin_generator_free(rin_generator *generator);
/*
 * The frames that video i goes on from, before its first step; i = -1: all videos. n at least the model's seq_cond, of
 * which the first count; those after them are what really followed, and shown beside the prediction on contact sheets.
 * Shapes: pixels (n, height, width, channels); copied.
 */
RIN_API rin_status rin_generator_give(rin_generator *generator, int64_t i, const uint8_t *pixels, int64_t n,
                                      rin_error *error);
/* One evaluation step of the current batch; progress counts them all. progress may be NULL. Errors: ARG after the last
 * one; NUMERIC when the network's output is not finite; DEVICE. */
RIN_API rin_status rin_generator_step(rin_generator *generator, rin_progress *progress, rin_error *error);
RIN_API bool rin_generator_is_done(const rin_generator *generator);
/* Steps to the end. Errors: CANCELLED when the listener says stop; NUMERIC when the network's output is not finite. */
RIN_API rin_status rin_generator_run(rin_generator *generator, rin_listener listener, rin_error *error);
/* Sizes of a picture; any may be NULL. */
RIN_API void rin_generator_size(const rin_generator *generator, int *width, int *height, int *channels);
/* Frames of a video, the given ones included; 1 for pictures. */
RIN_API int64_t rin_generator_frame_count(const rin_generator *generator);
/* Picture i as width * height * channels bytes, rows from the top, of a video frame after frame; borrowed; NULL while
 * it is not made. */
RIN_API const uint8_t *rin_generator_pixels(const rin_generator *generator, int64_t i);
/* Whether all pictures can be in one file of this name, NULL: a PNG file: they have 1 or 3 channels and are neither
 * too many nor too large for its kind. */
RIN_API bool rin_generator_has_grid(const rin_generator *generator, const char *path);
/* Whether what a model makes can be written to a file of this name: .png, and of videos what rin_video_suffixes lists.
 */
RIN_API bool rin_model_can_write(const rin_model *model, const char *path);
RIN_API const char *rin_video_suffixes(void); /* such as ".mp4, .gif, .webp"; static text */
/*
 * Files of picture i, and of all of them, `columns` a row (0, or more than a file can hold: nearly square). Videos go
 * by the name's end: .png is a contact sheet, given frames with a blue, made ones with an orange border, above them
 * what really followed with a grey one; others are videos of sample.fps frames a second. Errors: ARG before the
 * pictures are made, for a name that rin_model_can_write refuses, and for more or larger ones than a file can hold; IO;
 * MEMORY.
 */
RIN_API rin_status rin_generator_write(const rin_generator *generator, int64_t i, const char *path, rin_error *error);
RIN_API rin_status rin_generator_write_grid(const rin_generator *generator, int columns, const char *path,
                                            rin_error *error);
/*
 * The estimates after each step, of at most 96 of them. As an animation (a name that rin_video_suffixes lists): grids
 * as above, in about 4 seconds at 4 to 25 frames a second, the last one 1.5 seconds longer. As .png a line for each
 * picture, of at most 16 steps from left to right, evenly chosen and the last among them. Errors: ARG where no film was
 * asked for, before all pictures are made, for another name, and for more or larger pictures than its kind of file can
 * hold; IO; MEMORY.
 */
RIN_API rin_status rin_generator_write_film(const rin_generator *generator, int columns, const char *path,
                                            rin_error *error);
/*
 * The pictures one after the other and back again, as an animation (a name that rin_video_suffixes lists) that goes
 * round: what there is between two seeds. sample.fps frames a second; where that is 0 all of them in about 4 seconds,
 * at 4 to 25. Errors: as above; UNSUPPORTED for a model that makes videos.
 */
RIN_API rin_status rin_generator_write_way(const rin_generator *generator, const char *path, rin_error *error);

/*
 * How picture i was made, or all of them together with i = -1, as one JSON object that is enough to make it again:
 * "rin": 1, "seed" (a text), "first" and "count" of pictures to make; "picture": which of them it is, where it cannot
 * be made alone, being between two seeds; "columns" of a grid, "classes" (-1: none; not for a model without),
 * "options" (all of sample.*), "other_seed"; "model", "guide", "picture_file" and "mask_file" as the request named
 * them; "model_steps"; "weights", "guide_weights", "picture_pixels" and "mask_pixels" (hashes); "evaluations" of the
 * network for a picture. Not in it are the frames that a video goes on from. PNG files carry it as a text with the key
 * "rin", beside short ones for people, unless it is longer than 1 MiB. *json is freed by rin_string_free. Errors: ARG
 * for another i; MEMORY.
 */
RIN_API rin_status rin_generator_recipe(const rin_generator *generator, int64_t i, char **json, rin_error *error);
/*
 * The recipe in a PNG file that this library wrote. *json is freed by rin_string_free. Errors: IO; ARG for a PNG file
 * without one; FORMAT for what is no PNG file, larger than 1 GiB or damaged, and for a recipe that is none; MEMORY.
 */
RIN_API rin_status rin_recipe_read(const char *path, char **json, rin_error *error);
/*
 * A JPEG, PNG or WebP file, whatever its name, cropped and resized to the pictures of a model as in training.
 * channels: 0 for those of the model, 1 for a mask. *pixels (height, width, channels) is freed by rin_pixels_free,
 * which accepts NULL. Errors: IO; FORMAT for another or a damaged file, or one larger than 1 GiB; UNSUPPORTED for a
 * model whose pictures have neither 1 nor 3 channels; ARG; MEMORY.
 */
RIN_API rin_status rin_picture_read(const rin_config *config, const char *path, int channels, uint8_t **pixels,
                                    rin_error *error);
RIN_API void rin_pixels_free(uint8_t *pixels);

/* What there is to know about a sampler. All texts live as long as the program. */
typedef struct rin_sampler_about {
    const char *name, *about; /* its word in sample.sampler; one line */
    const char *spacing;      /* its own of sample.spacing and sample.steps */
    int64_t steps;
    int evaluations; /* of the network in a step, but the last */
} rin_sampler_about;

/* The samplers in their order; false past the last. */
RIN_API bool rin_sampler_get(size_t index, rin_sampler_about *about);

/* ---- measuring ---- */

/*
 * Mean squared error of the predicted noise at each of n_times (1 to 10000) times in (0, 1], over at most `limit`
 * images (0: all) taken evenly over the classes, or clips that do not overlap: EMA weights, no dropout,
 * self-conditioned by a first forward from zero hiddens. losses [n_times], *n_images: how many were used; broken ones
 * are reported and left out.
 */
RIN_API rin_status rin_eval_loss(rin_model *model, const char *data, const double *times, int n_times, int64_t limit,
                                 uint64_t seed, rin_listener listener, double *losses, int64_t *n_images,
                                 rin_error *error);

/* Mean squared errors of a predicted frame, pixels being 0 to 1. */
typedef struct rin_prediction_error {
    double sample; /* of one sample, on average */
    double mean;   /* of the mean of all samples */
    double repeat; /* of the last given frame in its place */
} rin_prediction_error;

/*
 * How well a model that continues given frames predicts those that follow, over at most `limit` clips (0: all that do
 * not overlap), taken evenly, with so many samples of each (1 to 10000). config gives the options sample.*.
 * errors [seq_len - seq_cond], *n_clips: how many were used; broken videos are reported and left out.
 */
RIN_API rin_status rin_eval_predict(rin_model *model, const rin_config *config, const char *data, int64_t samples,
                                    int64_t limit, uint64_t seed, rin_listener listener, rin_prediction_error *errors,
                                    int64_t *n_clips, rin_error *error);

/* ---- scores of samples: docs/evaluation.md says what they mean ---- */

enum {
    RIN_SCORE_FID = 1, /* Frechet distance of Inception's features */
    RIN_SCORE_IS = 2,  /* Inception Score; needs no reference */
    RIN_SCORE_KID = 4, /* kernel Inception distance */
    RIN_SCORE_PR = 8,  /* improved precision and recall */
    RIN_SCORE_FVD = 16 /* Frechet distance of I3D's logits, of videos; by itself */
};

/* What is scored, and against what. Texts and model are borrowed. */
typedef struct rin_score_request {
    unsigned scores;       /* sum of RIN_SCORE_... */
    rin_model *model;      /* eval.count samples of a model, ... */
    const char *data;      /* ... or a data set, a .npz of pictures or statistics, or a .npy of features */
    const char *reference; /* the same kinds; NULL: eval.reference */
    const char *folder;    /* where features of a model's samples are kept, for a later call to go on; may be NULL */
    const char *device;    /* of the networks, NULL: cpu; always in float32 */
    int threads;           /* 0: one a core */
    bool mix;              /* also compare sets that were made by different protocols */
} rin_score_request;

typedef struct rin_score_spread {
    double mean, deviation; /* over parts: population deviation */
} rin_score_spread;

typedef struct rin_scores {
    unsigned scores;    /* those that were asked for; the others are 0 */
    double frechet;     /* fid or fvd, at least 0 */
    double frechet_raw; /* before rounding below 0 was cut */
    rin_score_spread inception, kid;
    double precision, recall;
    int64_t kid_size;       /* samples of a subset that was used */
    int64_t n, n_reference; /* samples; 0 where a file of statistics does not tell */
    char *protocol;         /* everything that the scores depend on, as one JSON object */
} rin_scores;

/*
 * Scores by the options eval.* of config, and of a model those of sample.*. Pictures that cannot be decoded are
 * reported and left out. *out is cleared by rin_scores_clear. Errors: ARG for what does not go together, such as
 * protocols that differ, and for missing weights, with the line that makes them; IO; FORMAT; NUMERIC; MEMORY;
 * CANCELLED.
 */
RIN_API rin_status rin_eval_score(const rin_score_request *request, const rin_config *config, rin_listener listener,
                                  rin_scores *out, rin_error *error);
RIN_API void rin_scores_clear(rin_scores *scores);
/* Statistics of a data set, *n pictures or clips, as a .npz that this and other programs take for a reference. Errors:
 * as above; ARG for a name that does not end in .npz. */
RIN_API rin_status rin_eval_statistics(const char *data, bool video, const rin_config *config, const char *device,
                                       int threads, const char *out, rin_listener listener, int64_t *n,
                                       rin_error *error);

typedef struct rin_bench_options {
    int64_t batch;
    int steps;          /* measured runs of each; two more come first */
    bool gemm_only;     /* only the peak of matrix products */
    bool features;      /* only that and Inception-v3, by which samples are scored, on eval.batch pictures */
    const char *device; /* NULL: that of the configuration */
    bool profile;       /* also the slowest ops, in rin_bench_result.profile */
    int sample_steps;   /* 0: no sampling is timed */
} rin_bench_options;

typedef struct rin_bench_result {
    double train_step_min, train_step_median; /* seconds: both forwards, backward, optimiser, EMA, dropout, noise */
    double forward_min, forward_median;       /* seconds: one forward in inference mode */
    double flops_forward;                     /* 2 x multiply-adds of one forward of the batch */
    double gflops_per_s;                      /* of the training step's products */
    double gemm_peak_gflops_per_s;            /* measured on one large product */
    int threads;
    int64_t peak_rss_bytes;
    int64_t peak_device_bytes;            /* of the training step's tensors on a GPU; 0 on the CPU */
    double features_min, features_median; /* seconds: a batch through Inception-v3; 0 unless asked for */
    double flops_features;
    double features_share; /* of the peak, reached by these: the median of rounds that measure both */
    double sample_seconds; /* a batch of images in options.sample_steps steps of DDIM; 0 unless asked for */
    char *profile;         /* freed by rin_string_free; NULL unless asked for */
} rin_bench_result;

RIN_API rin_status rin_bench(const rin_config *config, const rin_bench_options *options, rin_bench_result *result,
                             rin_error *error);

/*
 * Parameters, FLOPs and bytes of training with this configuration, computed without allocating them; with `list` the
 * planned ops. Sizes are those of train.device, or of the CPU where it cannot be had. memory: bytes there are, 0 for
 * the device's, or what this process may use. *text is freed by rin_string_free. Errors: CONFIG; MEMORY when training
 * does not fit, with *text set all the same and what would help in the message.
 */
RIN_API rin_status rin_plan_describe(const rin_config *config, bool json, bool list, uint64_t memory, char **text,
                                     rin_error *error);

/* What a data set holds: counts, classes, sizes, broken files. Decodes everything, of videos the first frame; those are
 * looked for when asked for, and where there are more of them than images. *text is freed by rin_string_free. */
RIN_API rin_status rin_data_describe(const char *path, bool videos, bool json, rin_listener listener, char **text,
                                     rin_error *error);

/*
 * Decodes the videos that path holds into one file, from which training reads clips without decoding: frames of
 * config's model.image_height and image_width at its data.fps. out: a name that ends in .safetensors. Videos that
 * cannot be decoded are reported and left out. Errors: as of rin_data_describe; ARG for another name; IO; CANCELLED.
 */
RIN_API rin_status rin_data_pack(const char *path, const rin_config *config, const char *out, rin_listener listener,
                                 int64_t *n_videos, int64_t *n_frames, rin_error *error);

/* Version, compiler and flags, and the devices of this build with what this machine can run; static text. */
RIN_API const char *rin_version(void);
RIN_API const char *rin_build_flags(void);
/* Name and description of device i, and whether this machine can run it; false past the last. */
RIN_API bool rin_device_get(int i, const char **name, const char **about, bool *available);

/* ---- golden cases ---- */

/* One check of a case folder. error and tolerance are relative to the largest number of the tensor, or to what the case
 * says; with a tolerance of 0 numbers must be equal. */
typedef struct rin_check_result {
    const char *name; /* "forward", "sample2", "a/tf/pool3", ... */
    bool passed;
    double error; /* the worst over all tensors of the check, relative to its tolerance */
    double tolerance;
    const char *tensor; /* where the worst error is */
    int64_t index;
    const char *message; /* why it could not be run, or "" */
} rin_check_result;

typedef void (*rin_check_fn)(void *user, const rin_check_result *result);

/*
 * Runs every check of the folder's case.json against its numbers: of a model, whose weights are there, too; or, where
 * case.json has rows of them, of what scores are made of: resizes, Inception and I3D with weights by formula, scores,
 * numpy's files. A path NAME.json is a case by itself, its numbers in NAME.safetensors: of samplers, with an analytic
 * estimate or with networks, whose weights are in ../golden/<weights> from its folder. on_result is called once a
 * check; texts are valid during the call. *n_failed counts checks over tolerance or not runnable. Errors: a folder that
 * is no case.
 */
RIN_API rin_status rin_check_case(const char *folder, const char *device, int threads, rin_check_fn on_result,
                                  void *user, int *n_failed, rin_error *error);

#ifdef __cplusplus
}
#endif
#endif
