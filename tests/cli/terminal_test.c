/* SPDX-License-Identifier: MIT */
/* The program before a terminal, a pipe or a socket that nobody reads: it trains on, and remarks come when there is
 * room again. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* pseudo-terminals */
#endif
#include "support/check.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

enum { PATIENCE = 60, LONGEST = 4096, RECORD = 3073, RECORDS = 8 };

typedef struct scene {
    char folder[64], data[128], run[128], program[LONGEST];
    int reader, writer; /* the ends of what the program's messages go into */
    pid_t child;
} scene;

static void join(char *out, size_t size, const char *left, const char *right) {
    assert_in_range(snprintf(out, size, "%s/%s", left, right), 1, size - 1);
}

/* A data set in the binary form of CIFAR-10, of one class. */
static void write_data(const char *folder) {
    char path[256];
    unsigned char record[RECORD] = {0};
    join(path, sizeof path, folder, "data_batch_1.bin");
    FILE *stream = fopen(path, "wb");
    assert_non_null(stream);
    for (int i = 0; i < RECORDS; i++) {
        memset(record + 1, 32 * i, RECORD - 1);
        assert_int_equal(fwrite(record, RECORD, 1, stream), 1);
    }
    assert_int_equal(fclose(stream), 0);
}

static int set_up(void **state) {
    scene *s = calloc(1, sizeof *s);
    const char *build = getenv("RIN_BUILD");
    *state = s;
    if (!s) return -1;
    snprintf(s->folder, sizeof s->folder, "/tmp/rin-terminal-XXXXXX");
    if (!mkdtemp(s->folder)) return -1;
    join(s->data, sizeof s->data, s->folder, "data");
    join(s->run, sizeof s->run, s->folder, "run");
    join(s->program, sizeof s->program, build ? build : "build", "rin");
    s->reader = s->writer = -1;
    if (mkdir(s->data, 0777) != 0) return -1;
    write_data(s->data);
    return access(s->program, X_OK);
}

static int tear_down(void **state) {
    scene *s = *state;
    char command[256];
    if (s->child > 0) {
        kill(s->child, SIGKILL);
        waitpid(s->child, NULL, 0);
    }
    if (s->reader >= 0) close(s->reader);
    if (s->writer >= 0) close(s->writer);
    snprintf(command, sizeof command, "rm -rf '%s'", s->folder);
    int code = system(command);
    free(s);
    return code;
}

/* ---- what the messages go into ---- */

static void open_terminal(scene *s) {
    s->reader = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (s->reader < 0 && (errno == ENOENT || errno == ENODEV || errno == ENOSYS)) {
        print_message("this machine has no pseudo-terminals (/dev/pts): what is shown on one was not looked at\n");
        skip();
    }
    assert_true(s->reader >= 0);
    assert_int_equal(grantpt(s->reader), 0);
    assert_int_equal(unlockpt(s->reader), 0);
    s->writer = open(ptsname(s->reader), O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(s->writer >= 0);
}

static void open_pipe(scene *s) {
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    s->reader = ends[0];
    s->writer = ends[1];
}

static void open_socket(scene *s) {
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    s->reader = ends[0];
    s->writer = ends[1];
}

/* Writes until there is no room, in ever smaller pieces; returns how much that was. */
static size_t fill_once(const scene *s) {
    static const char zeros[LONGEST];
    size_t sum = 0;
    for (size_t n = sizeof zeros; n; n /= 2) {
        for (ssize_t written; (written = write(s->writer, zeros, n)) > 0;) sum += (size_t)written;
        assert_int_equal(errno, EAGAIN);
    }
    return sum;
}

/* A terminal moves what it has from one buffer into another for a while. Nobody else has the writing end yet. */
static void fill(const scene *s) {
    enum { QUIET = 5 };
    int flags = fcntl(s->writer, F_GETFL);
    assert_int_equal(fcntl(s->writer, F_SETFL, flags | O_NONBLOCK), 0);
    for (int quiet = 0; quiet < QUIET; usleep(10000)) quiet = fill_once(s) ? 0 : quiet + 1;
    assert_int_equal(fcntl(s->writer, F_SETFL, flags), 0);
}

/* Reads until text was seen, and a minute at most. */
static void read_until(const scene *s, const char *text) {
    char kept[2 * LONGEST] = "";
    size_t used = 0;
    struct pollfd event = {.fd = s->reader, .events = POLLIN};
    for (double start = rin_clock_seconds(); rin_clock_seconds() < start + PATIENCE;) {
        if (poll(&event, 1, 100) <= 0) continue;
        if (used >= LONGEST) {
            memmove(kept, kept + used - 256, 256);
            used = 256;
        }
        ssize_t n = read(s->reader, kept + used, sizeof kept - 1 - used);
        assert_true(n > 0);
        used += (size_t)n;
        kept[used] = '\0';
        for (size_t i = 0; i < used; i++) {
            if (!kept[i]) kept[i] = ' ';
        }
        if (strstr(kept, text)) return;
    }
    fail_msg("no '%s' within %d s; the last was: %s", text, PATIENCE, kept);
}

/* ---- the program ---- */

/* A tiny run whose every step is worth a line. */
static void start(scene *s, const char *steps) {
    s->child = fork();
    assert_true(s->child >= 0);
    if (s->child) return;
    int null = open("/dev/null", O_RDWR);
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    dup2(s->writer, STDERR_FILENO);
    setenv("TERM", "xterm", 1);
    execl(s->program, "rin", "train", "--data", s->data, "--out", s->run, "--steps", steps, "--size", "8", "--batch",
          "4", "--threads", "1", "--set", "model.num_layers=1,1", "--set", "model.latent_slots=6", "--set",
          "model.latent_dim=16", "--set", "model.latent_num_heads=2", "--set", "model.tape_dim=16", "--set",
          "model.rw_num_heads=2", "--set", "train.warmup_steps=2", "--set", "train.log_every=1", "--set",
          "train.sample_every=0", "--set", "train.checkpoint_every=500000", (char *)NULL);
    _exit(127);
}

static void assert_ends(scene *s, int code) {
    int status = 0;
    pid_t ended = 0;
    for (double start = rin_clock_seconds(); !ended && rin_clock_seconds() < start + PATIENCE;) {
        ended = waitpid(s->child, &status, WNOHANG);
        if (!ended) usleep(10000);
    }
    if (!ended) fail_msg("rin was held up for %d s", PATIENCE);
    s->child = 0;
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), code);
}

/* Bytes of the run's measurements, which grow with every step. */
static int64_t measured(const scene *s) {
    char path[256];
    struct stat info;
    join(path, sizeof path, s->run, "metrics.jsonl");
    return stat(path, &info) == 0 ? (int64_t)info.st_size : 0;
}

static void wait_for_steps(const scene *s) {
    enum { BYTES = 20000 };
    int64_t first = measured(s);
    for (double begun = rin_clock_seconds(); rin_clock_seconds() < begun + PATIENCE; usleep(10000)) {
        if (measured(s) >= first + BYTES) return;
    }
    fail_msg("rin was held up for %d s", PATIENCE);
}

/* ---- cases ---- */

/* Full from the start, and never read. */
static void run_unread(scene *s) {
    fill(s);
    start(s, "300");
    assert_ends(s, 0);
}

static void test_full_terminal(void **state) {
    open_terminal(*state);
    run_unread(*state);
}

static void test_full_pipe(void **state) {
    open_pipe(*state);
    run_unread(*state);
}

static void test_full_socket(void **state) {
    open_socket(*state);
    run_unread(*state);
}

/* Ctrl-S. */
static void test_stopped_terminal(void **state) {
    scene *s = *state;
    open_terminal(s);
    assert_int_equal(tcflow(s->writer, TCOOFF), 0);
    start(s, "300");
    assert_ends(s, 0);
}

/* More lines than a pipe has room for. */
static void test_pipe_that_fills(void **state) {
    scene *s = *state;
    open_pipe(s);
    assert_true(fcntl(s->writer, F_SETPIPE_SZ, LONGEST) > 0);
    start(s, "300");
    assert_ends(s, 0);
}

/* The description is shared with other processes, which do not expect it to change. */
static void test_description_is_left_alone(void **state) {
    scene *s = *state;
    open_terminal(s);
    start(s, "1000000");
    read_until(s, "loss");
    assert_false(fcntl(s->writer, F_GETFL) & O_NONBLOCK);
    kill(s->child, SIGTERM);
    assert_ends(s, 130);
}

/* The remark of the start is kept until somebody reads; progress goes on from there. The line is updated. */
static void test_late_reader(void **state) {
    scene *s = *state;
    open_terminal(s);
    fill(s);
    start(s, "1000000");
    wait_for_steps(s);
    read_until(s, ": step 0 of 1000000");
    read_until(s, "\r\033[Kstep ");
    kill(s->child, SIGINT);
    read_until(s, "\r\033[Krin: stopping after this step; once more to stop at once\r\n");
    read_until(s, "stopped and saved after step");
    assert_ends(s, 130);
}

/* A terminal that goes away while its hangup is ignored. */
static void test_terminal_goes_away(void **state) {
    scene *s = *state;
    open_terminal(s);
    start(s, "1000000");
    read_until(s, "loss");
    close(s->reader);
    s->reader = -1;
    wait_for_steps(s);
    kill(s->child, SIGTERM);
    assert_ends(s, 130);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_full_terminal),    TEST(test_full_pipe),          TEST(test_full_socket),
        TEST(test_stopped_terminal), TEST(test_pipe_that_fills),    TEST(test_description_is_left_alone),
        TEST(test_late_reader),      TEST(test_terminal_goes_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
