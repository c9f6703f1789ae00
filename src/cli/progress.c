/* SPDX-License-Identifier: MIT */
/* progress: one updating line on a terminal, plain lines elsewhere; stopping on SIGINT, SIGTERM and SIGHUP. */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"

/* A signal handler has no other way to tell. */
static atomic_bool stop_wanted;
static atomic_llong asked_at; /* milliseconds of the clock when SIGINT or SIGTERM came first; 0: not yet */

static double clock_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Some senders, such as timeout, signal a process and then its group: what comes twice at once was sent once. A
 * terminal that closes may send any number of hangups. */
static void on_signal(int number) {
    enum { ONE_REQUEST = 50 };
    int error = errno;
    long long now = (long long)(clock_seconds() * 1000) + 1, first = 0;
    bool hangup = number == SIGHUP, again = !hangup && !atomic_compare_exchange_strong(&asked_at, &first, now);
    if (again && now - first >= ONE_REQUEST) _exit(RIN_EXIT_INTERRUPTED);
    bool known = atomic_exchange(&stop_wanted, true);
    if (hangup && !known) rin_cli_screen_interrupt("rin: stopping after this step");
    if (!hangup && !again) rin_cli_screen_interrupt("rin: stopping after this step; once more to stop at once");
    errno = error;
}

/* Adds a field with two spaces before it if it fits; the fields come in the order of their use. */
static void add_field(char *line, size_t width, const char *field) {
    size_t used = strlen(line), gap = used ? 2 : 0;
    if (used + gap + strlen(field) >= width) return;
    memcpy(line + used, "  ", gap);
    memcpy(line + used + gap, field, strlen(field) + 1);
}

static void format_line(const rin_progress *p, bool training, char *line, size_t width) {
    char field[96], number[RIN_CLI_NUMBER];
    line[0] = '\0';
    const char *doing = training ? "step" : p->doing;
    if (p->total > 0) snprintf(field, sizeof field, "%s %lld/%lld", doing, (long long)p->done, (long long)p->total);
    else if (p->done > 0) snprintf(field, sizeof field, "%s %lld", doing, (long long)p->done);
    else snprintf(field, sizeof field, "%s", doing);
    add_field(line, width, field);
    if (training) {
        snprintf(field, sizeof field, "loss %.4g", p->loss);
        add_field(line, width, field);
    }
    if (p->images_per_second > 0) {
        snprintf(field, sizeof field, "%s %s/s", rin_cli_short(p->images_per_second, number),
                 p->unit ? p->unit : "images");
        add_field(line, width, field);
    }
    if (p->done < p->total && p->eta > 0) {
        snprintf(field, sizeof field, "ETA %s", rin_cli_seconds(p->eta, number));
        add_field(line, width, field);
    }
    if (p->memory_bytes > 0) add_field(line, width, rin_cli_bytes(p->memory_bytes, number));
    if (!training) return;
    snprintf(field, sizeof field, "rate %.3g", p->learning_rate);
    add_field(line, width, field);
    snprintf(field, sizeof field, "gradient %.3g", p->grad_norm);
    add_field(line, width, field);
    if (p->bad_steps > 0) {
        snprintf(field, sizeof field, "%lld not applied", (long long)p->bad_steps);
        add_field(line, width, field);
    }
    if (p->seconds > 0) {
        snprintf(field, sizeof field, "waiting for data %.0f%%", 100 * p->wait_seconds / p->seconds);
        add_field(line, width, field);
    }
}

/* Lines that stay: the steps of the log and checkpoints; of other work one every ten seconds, and its end. */
static bool stays(const rin_cli_monitor *m, const rin_progress *p, bool training, double now) {
    enum { INTERVAL = 10 };
    bool log = !rin_cli_screen_updates(), last = p->total > 0 && p->done == p->total;
    if (training) return last || p->saved || (log && (p->done == 1 || p->done % m->every == 0));
    if (last && log) return m->lines > 0 && m->done != p->done;
    return log && now - (m->lines ? m->shown : m->begun) >= INTERVAL;
}

static bool updates(const rin_cli_monitor *m, const rin_progress *p, double now) {
    const double interval = 0.1;
    return rin_cli_screen_updates() && (now - m->shown >= interval || (p->total > 0 && p->done == p->total));
}

static void show(const rin_progress *p, bool training, bool due) {
    enum { LONGEST = 512 };
    static const char saved[] = "saved";
    char line[LONGEST];
    size_t width = rin_cli_screen_updates() ? rin_cli_screen_width() : LONGEST;
    if (width > LONGEST) width = LONGEST;
    size_t reserved = p->saved ? sizeof saved + 1 : 0; /* with two spaces before it */
    format_line(p, training, line, width > reserved ? width - reserved : 1);
    if (p->saved) add_field(line, LONGEST, saved);
    rin_cli_screen_put(due ? RIN_CLI_PROGRESS : RIN_CLI_UPDATE, line);
}

static bool on_progress(void *user, const rin_progress *p) {
    enum { LONGEST_PATH = 512 };
    rin_cli_monitor *m = user;
    char line[LONGEST_PATH];
    bool training = strcmp(p->doing, "train") == 0;
    double now = clock_seconds();
    if (!m->doing || strcmp(m->doing, p->doing) != 0)
        *m = (rin_cli_monitor){.every = m->every, .doing = p->doing, .begun = now, .shown = m->shown};
    bool due = stays(m, p, training, now);
    if (due || updates(m, p, now)) {
        show(p, training, due);
        m->shown = now;
        m->done = p->done;
        m->lines++;
    }
    if (p->sample_path) {
        snprintf(line, sizeof line, "samples: %s", p->sample_path);
        rin_cli_screen_put(RIN_CLI_PROGRESS, line);
    }
    (void)rin_cli_screen_flush();
    return !rin_cli_monitor_stopped();
}

/* Loader threads may speak at the same time. */
static void on_log(void *user, rin_log_level level, const char *text) {
    (void)user;
    rin_cli_note("%s%s", level == RIN_LOG_WARNING ? "warning: " : "", text);
}

rin_listener rin_cli_monitor_start(rin_cli_monitor *monitor, int64_t every) {
    *monitor = (rin_cli_monitor){.every = every > 0 ? every : 1};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, before;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    /* nohup and the like have it ignored, and mean it. */
    if (sigaction(SIGHUP, NULL, &before) == 0 && before.sa_handler != SIG_IGN) sigaction(SIGHUP, &action, NULL);
    return (rin_listener){.on_progress = on_progress, .on_log = on_log, .user = monitor};
}

bool rin_cli_monitor_stopped(void) {
    return atomic_load(&stop_wanted);
}

void rin_cli_monitor_end(void) {
    rin_cli_screen_clear();
}
