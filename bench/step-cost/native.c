/*
 * The limit: an optimizer's step as a C compiler makes it, moving the same bytes as the library's kernel.
 *
 *   native <rule>, then commands as in protocol.ts
 *
 * A new rule is one function and one line in `rules`. Tensors are rows of their last axis, for sweeps by neuron.
 */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { most_slots = 4 };

typedef struct {
  long rows, columns, size;
  float *w, *g, *slots[most_slots];
} Tensor;

/* Steps a tensor; `count` is 1 at the first step. */
typedef void Step(const Tensor *tensor, long count);

static const double learning_rate = 1e-3;

static void adamw(const Tensor *tensor, long count) {
  const double root = sqrt(1 - pow(.999, count));
  const float keep = 1 - learning_rate * .01, size = learning_rate * root / (1 - pow(.9, count)), epsilon = 1e-8 * root;
  float *restrict w = tensor->w, *restrict m = tensor->slots[0], *restrict v = tensor->slots[1];
  const float *restrict g = tensor->g;
  for (long i = 0; i < tensor->size; i++) {
    m[i] = .9f * m[i] + .1f * g[i];
    v[i] = .999f * v[i] + .001f * g[i] * g[i];
    w[i] = keep * w[i] - size * m[i] / (sqrtf(v[i]) + epsilon);
  }
}

static void lion(const Tensor *tensor, long count) {
  (void)count;
  const float rate = learning_rate, keep = 1 - learning_rate * .1;
  float *restrict w = tensor->w, *restrict m = tensor->slots[0];
  const float *restrict g = tensor->g;
  for (long i = 0; i < tensor->size; i++) {
    const float c = .9f * m[i] + .1f * g[i];
    w[i] = keep * w[i] - rate * (float)((c > 0) - (c < 0));
    m[i] = .99f * m[i] + .01f * g[i];
  }
}

static void sgdmomentum(const Tensor *tensor, long count) {
  (void)count;
  const float rate = learning_rate, decay = 0;
  float *restrict w = tensor->w, *restrict m = tensor->slots[0];
  const float *restrict g = tensor->g;
  for (long i = 0; i < tensor->size; i++) {
    m[i] = .9f * m[i] + (g[i] + decay * w[i]);
    w[i] -= rate * m[i];
  }
}

static const struct Rule {
  const char *name;
  int slots;
  Step *step;
} rules[] = {
  {"adamw", 2, adamw},
  {"lion", 1, lion},
  {"sgdmomentum", 1, sgdmomentum},
};

static const struct Rule *rule;
static Tensor *tensors;
static long tensor_count, count;

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1e3 + time.tv_nsec / 1e6;
}

static double step(void) {
  const double start = now();
  count++;
  for (long i = 0; i < tensor_count; i++) rule->step(&tensors[i], count);
  return now() - start;
}

static void fail(const char *error) {
  printf("{\"error\":\"%s\"}\n", error);
  exit(1);
}

/* Zero, or numbers in (-.01, .01) as the other subjects have them. */
static float *floats(long size, unsigned seed) {
  void *memory;
  if (posix_memalign(&memory, 64, (size_t)(size > 0 ? size : 1) * sizeof(float))) fail("out of memory");
  float *values = memory;
  unsigned state = seed * 0x9e3779b1u;
  for (long i = 0; i < size; i++) {
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    values[i] = (float)(int)state / 2147483648.f * .01f;
  }
  return values;
}

static void add_tensor(char *shape) {
  Tensor *tensor = realloc(tensors, (tensor_count + 1) * sizeof *tensors);
  if (!tensor) fail("out of memory");
  tensors = tensor;
  tensor = &tensors[tensor_count++];
  tensor->rows = 1;
  tensor->columns = strtol(shape, &shape, 10);
  while (*shape == 'x') {
    tensor->rows *= tensor->columns;
    tensor->columns = strtol(shape + 1, &shape, 10);
  }
  tensor->size = tensor->rows * tensor->columns;
  tensor->w = floats(tensor->size, 2 * tensor_count);
  tensor->g = floats(tensor->size, 2 * tensor_count + 1);
  for (int i = 0; i < rule->slots; i++) tensor->slots[i] = floats(tensor->size, 0);
}

static int by_value(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double play(double milliseconds, double last) {
  if (last < milliseconds) step();
  double *times = NULL;
  long steps = 0, room = 0;
  const double start = now();
  do {
    if (steps == room) {
      room = room ? 2 * room : 1024;
      times = realloc(times, room * sizeof *times);
      if (!times) fail("out of memory");
    }
    times[steps++] = step();
  } while (now() - start < milliseconds);
  qsort(times, steps, sizeof *times, by_value);
  const double median = (times[(steps - 1) / 2] + times[steps / 2]) / 2;
  free(times);
  printf("{\"steps\":%ld,\"milliseconds\":%.9g}\n", steps, median);
  return median;
}

static double start(char *shapes) {
  double elements = 0;
  for (char *shape = strtok(shapes, " \n"); shape; shape = strtok(NULL, " \n")) add_tensor(shape);
  for (long i = 0; i < tensor_count; i++) elements += tensors[i].size;
  const double first = step();
  printf("{\"milliseconds\":%.9g,\"bytes\":%.0f}\n", first, elements * sizeof(float) * (3 + 2 * rule->slots));
  return first;
}

int main(int argc, char **argv) {
  for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
    if (argc == 2 && strcmp(rules[i].name, argv[1]) == 0) rule = &rules[i];
  if (!rule) fail("no such rule");
  char *line = NULL;
  size_t room = 0;
  double last = 0;
  while (getline(&line, &room, stdin) > 0) {
    if (strncmp(line, "start ", 6) == 0) last = start(line + 6);
    else last = play(atof(line + 6), last);
    fflush(stdout);
  }
  return 0;
}
