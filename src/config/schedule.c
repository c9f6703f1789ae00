/* SPDX-License-Identifier: MIT */
/* schedule: the grammar of noise and learning rate schedules. */
#include <math.h>
#include <string.h>

#include "config/internal.h"

enum { MAX_ARGUMENTS = 3 };

static const double PI = 3.14159265358979323846;

typedef struct call {
    char name[RIN_CONFIG_TEXT];                     /* before the @ */
    char arguments[MAX_ARGUMENTS][RIN_CONFIG_TEXT]; /* after it, between commas */
    int n;
} call;

/* Splits name@a,b,c; false when there is too much of anything. */
static bool split(const char *text, call *out) {
    *out = (call){0};
    if (strlen(text) >= RIN_CONFIG_TEXT) return false;
    size_t length = strcspn(text, "@");
    memcpy(out->name, text, length);
    if (!text[length]) return true;
    const char *rest = text + length;
    while (*rest) {
        rest++;
        if (out->n == MAX_ARGUMENTS) return false;
        length = strcspn(rest, ",");
        memcpy(out->arguments[out->n++], rest, length);
        rest += length;
    }
    return true;
}

static rin_status refuse(const char *what, const char *text, const char *why, const char *allowed, rin_error *error) {
    return rin_error_set(error, RIN_ERR_CONFIG, "%s '%.80s' %s; allowed: %s", what, text, why, allowed);
}

/* Why a parsed schedule would not be a finite curve, or NULL. */
static const char *fault(const rin_schedule *s) {
    if (s->kind == RIN_SCHEDULE_COSINE || s->kind == RIN_SCHEDULE_SIMPLE_LINEAR) return NULL;
    if (s->start == s->end) return "has start = end";
    if (s->kind == RIN_SCHEDULE_LOG) {
        bool inside = RIN_MIN(s->start, s->end) >= 1e-9 && RIN_MAX(s->start, s->end) <= 1e9;
        if (!inside) return "has a start or end outside [1e-9, 1e9]";
        /* In float, as the curve is computed. */
        return fabsf(logf((float)s->start) - logf((float)s->end)) > 1e-6f ? NULL : "is flat between start and end";
    }
    if (!(s->tau >= 1e-3 && s->tau <= 1e3)) return "has a tau outside [0.001, 1000]";
    double first, last;
    if (s->kind == RIN_SCHEDULE_COSINE_RANGE) {
        if (RIN_MIN(s->start, s->end) < 0 || RIN_MAX(s->start, s->end) > 1) return "has a start or end outside [0, 1]";
        first = pow(cos(s->start * PI / 2), 2 * s->tau);
        last = pow(cos(s->end * PI / 2), 2 * s->tau);
    } else {
        if (RIN_MAX(fabs(s->start), fabs(s->end)) > 1e6) return "has a start or end outside [-1000000, 1000000]";
        first = 1 / (1 + exp(-s->start / s->tau));
        last = 1 / (1 + exp(-s->end / s->tau));
    }
    return fabs(first - last) > 1e-6 ? NULL : "is flat between start and end";
}

rin_status rin_schedule_parse(const char *text, rin_schedule *out, rin_error *error) {
    static const struct {
        const char *name;
        int n_arguments;
        rin_schedule_kind kind;
    } kinds[] = {{"cosine", 0, RIN_SCHEDULE_COSINE},
                 {"simple_linear", 0, RIN_SCHEDULE_SIMPLE_LINEAR},
                 {"cosine", 3, RIN_SCHEDULE_COSINE_RANGE},
                 {"sigmoid", 3, RIN_SCHEDULE_SIGMOID},
                 {"log", 3, RIN_SCHEDULE_LOG}};
    static const char what[] = "noise schedule";
    call parts;
    size_t kind = RIN_COUNT(kinds);
    if (split(text, &parts)) {
        for (kind = 0; kind < RIN_COUNT(kinds); kind++) {
            if (!strcmp(parts.name, kinds[kind].name) && parts.n == kinds[kind].n_arguments) break;
        }
    }
    if (kind == RIN_COUNT(kinds)) return refuse(what, text, "is not known", RIN_SCHEDULE_ALLOWED, error);
    rin_schedule s = {.kind = kinds[kind].kind};
    if (parts.n) {
        bool good = rin_number_parse_real(parts.arguments[0], &s.start) &&
                    rin_number_parse_real(parts.arguments[1], &s.end);
        const char *third = parts.arguments[2];
        if (s.kind == RIN_SCHEDULE_LOG) {
            s.reverse = !strcmp(third, "t") || !strcmp(third, "true");
            good = good && (s.reverse || !strcmp(third, "f") || !strcmp(third, "false"));
        } else {
            good = good && rin_number_parse_real(third, &s.tau);
        }
        if (!good) return refuse(what, text, "has an argument that is not understood", RIN_SCHEDULE_ALLOWED, error);
    }
    const char *why = fault(&s);
    if (why) return refuse(what, text, why, RIN_SCHEDULE_ALLOWED, error);
    *out = s;
    return RIN_OK;
}

rin_status rin_lr_schedule_parse(const char *text, rin_lr_schedule *out, rin_error *error) {
    static const struct {
        const char *name;
        int fewest, most; /* arguments */
        rin_lr_schedule_kind kind;
    } kinds[] = {{"cosine", 0, 1, RIN_LR_SCHEDULE_COSINE},
                 {"linear", 0, 0, RIN_LR_SCHEDULE_LINEAR},
                 {"exp", 1, 1, RIN_LR_SCHEDULE_EXP},
                 {"none", 0, 0, RIN_LR_SCHEDULE_NONE}};
    static const char what[] = "learning rate schedule";
    call parts;
    bool known = split(text, &parts);
    size_t kind = 0;
    while (kind < RIN_COUNT(kinds) && strcmp(parts.name, kinds[kind].name)) kind++;
    known = known && kind < RIN_COUNT(kinds) && parts.n >= kinds[kind].fewest && parts.n <= kinds[kind].most;
    if (!known) return refuse(what, text, "is not known", RIN_LR_SCHEDULE_ALLOWED, error);
    rin_lr_schedule s = {.kind = kinds[kind].kind, .rate = 1};
    if (parts.n && (!rin_number_parse_real(parts.arguments[0], &s.rate) || !(s.rate > 0 && s.rate <= 1))) {
        return refuse(what, text, "has a number outside (0, 1]", RIN_LR_SCHEDULE_ALLOWED, error);
    }
    *out = s;
    return RIN_OK;
}
