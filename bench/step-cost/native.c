/*
 * The limit: an optimizer's step as a C compiler makes it, moving the same bytes as the library's kernel.
 *
 *   native <rule>, then commands as in protocol.ts
 *
 * A new rule is one function and one line in `rules`. Tensors are rows of their last axis, for sweeps by neuron.
 * Sums are reordered only where a pragma says so: without it, C would forbid vector instructions for them.
 */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { most_slots = 4, most_neuron_slots = 2 };

typedef struct {
  long rank, rows, columns, size;
  float *w, *g, *slots[most_slots], *neuron_slots[most_neuron_slots];
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

/*
 * Rotational rules take two sweeps: moments, direction and sums, then weights. The direction is kept in between, since
 * its root and division cost more than its bytes.
 */
static float *scratch;

/* Columns that are swept together: long stretches for the memory's sake, and sums that fit the second-level cache. */
enum { block = 4096 };

typedef struct {
  float u, uu, uw, ww, w;
} Sums;

/* What a neuron's weights become: keep w - step u + shift. */
typedef struct {
  float keep, step, shift;
} Turn;

static float angle(double rate_times_decay) { return sqrt(2 * rate_times_decay * .1 / 1.9); }

static Turn turn_of(Sums s, int centred, float fan_in, float rotation, float correction, float epsilon, float *norm, float *energy, long count) {
  const float mean_u = centred ? s.u / fan_in : 0, mean_w = centred ? s.w / fan_in : 0;
  const float uu = s.uu - s.u * mean_u, uw = s.uw - s.u * mean_w, ww = s.ww - s.w * mean_w;
  if (count == 1) *norm = sqrtf(ww);
  const float along = uw / ww, tangent = uu - uw * along;
  const int measurable = tangent > 1e-6f * s.uu;
  const float squared = measurable ? tangent : 0;
  float averaged = squared;
  if (energy) {
    *energy = .9f * *energy + .1f * squared;
    averaged = *energy * correction;
  }
  const float turn = measurable ? rotation * *norm / (sqrtf(averaged) + epsilon) : 0;
  const float on_sphere = *norm / sqrtf(ww + turn * turn * squared);
  const float keep = on_sphere * (1 + turn * along), step = on_sphere * turn;
  return (Turn){keep, step, centred ? step * mean_u - keep * mean_w : 0};
}

typedef struct {
  float size, epsilon, rotation, correction;
} AdamScalars;

static AdamScalars adam_scalars(long count) {
  const double root = sqrt(1 - pow(.999, count));
  return (AdamScalars){root / (1 - pow(.9, count)), 1e-8 * root, angle(learning_rate * .01), 1 / (1 - pow(.9, count))};
}

/* A neuron is a row. */
static void rotational_adamw_first(const Tensor *tensor, long count) {
  if (tensor->rank < 2) return adamw(tensor, count);
  const AdamScalars a = adam_scalars(count);
  const long columns = tensor->columns;
  float *restrict u = scratch;
  for (long row = 0; row < tensor->rows; row++) {
    float *restrict w = tensor->w + row * columns, *restrict m = tensor->slots[0] + row * columns, *restrict v = tensor->slots[1] + row * columns;
    const float *restrict g = tensor->g + row * columns;
    float su = 0, suu = 0, suw = 0, sww = 0, sw = 0;
#pragma omp simd reduction(+ : su, suu, suw, sww, sw)
    for (long i = 0; i < columns; i++) {
      m[i] = .9f * m[i] + .1f * g[i];
      v[i] = .999f * v[i] + .001f * g[i] * g[i];
      u[i] = a.size * m[i] / (sqrtf(v[i]) + a.epsilon);
      su += u[i];
      suu += u[i] * u[i];
      suw += u[i] * w[i];
      sww += w[i] * w[i];
      sw += w[i];
    }
    const Turn turn = turn_of((Sums){su, suu, suw, sww, sw}, 1, columns, a.rotation, a.correction, 1e-8f, &tensor->neuron_slots[0][row], &tensor->neuron_slots[1][row], count);
    for (long i = 0; i < columns; i++) w[i] = turn.keep * w[i] - turn.step * u[i] + turn.shift;
  }
}

/* A neuron is a column. */
static void rotational_adamw_last(const Tensor *tensor, long count) {
  if (tensor->rank < 2) return adamw(tensor, count);
  const AdamScalars a = adam_scalars(count);
  const long columns = tensor->columns, rows = tensor->rows;
  for (long from = 0; from < columns; from += block) {
    const long width = columns - from < block ? columns - from : block;
    float su[block] = {0}, suu[block] = {0}, suw[block] = {0}, sww[block] = {0}, sw[block] = {0};
    for (long row = 0; row < rows; row++) {
      const long at = row * columns + from;
      float *restrict u = scratch + row * width, *restrict m = tensor->slots[0] + at, *restrict v = tensor->slots[1] + at;
      const float *restrict w = tensor->w + at, *restrict g = tensor->g + at;
#pragma omp simd
      for (long i = 0; i < width; i++) {
        m[i] = .9f * m[i] + .1f * g[i];
        v[i] = .999f * v[i] + .001f * g[i] * g[i];
        u[i] = a.size * m[i] / (sqrtf(v[i]) + a.epsilon);
        su[i] += u[i];
        suu[i] += u[i] * u[i];
        suw[i] += u[i] * w[i];
        sww[i] += w[i] * w[i];
        sw[i] += w[i];
      }
    }
    float keep[block], step[block], shift[block];
    for (long i = 0; i < width; i++) {
      const Turn turn = turn_of((Sums){su[i], suu[i], suw[i], sww[i], sw[i]}, 1, rows, a.rotation, a.correction, 1e-8f, &tensor->neuron_slots[0][from + i], &tensor->neuron_slots[1][from + i], count);
      keep[i] = turn.keep;
      step[i] = turn.step;
      shift[i] = turn.shift;
    }
    for (long row = 0; row < rows; row++) {
      float *restrict w = tensor->w + row * columns + from;
      const float *restrict u = scratch + row * width;
#pragma omp simd
      for (long i = 0; i < width; i++) w[i] = keep[i] * w[i] - step[i] * u[i] + shift[i];
    }
  }
}

/* Nesterov's form, which looks ahead by beta^2; what does not rotate takes the same step without sums. */
static void lion_a(const Tensor *tensor) {
  const float rate = learning_rate * sqrt(.1 / 1.9), keep = 1 - learning_rate * .1;
  float *restrict w = tensor->w, *restrict m = tensor->slots[0];
  const float *restrict g = tensor->g;
  for (long i = 0; i < tensor->size; i++) {
    const float c = .81f * m[i] + .19f * g[i];
    m[i] = .9f * m[i] + .1f * g[i];
    w[i] = keep * w[i] - rate * (float)((c > 0) - (c < 0));
  }
}

static void lion_ar_first(const Tensor *tensor, long count) {
  if (tensor->rank < 2) return lion_a(tensor);
  const float rotation = angle(learning_rate * .1);
  const long columns = tensor->columns;
  float *restrict u = scratch;
  for (long row = 0; row < tensor->rows; row++) {
    float *restrict w = tensor->w + row * columns, *restrict m = tensor->slots[0] + row * columns;
    const float *restrict g = tensor->g + row * columns;
    float suu = 0, suw = 0, sww = 0;
#pragma omp simd reduction(+ : suu, suw, sww)
    for (long i = 0; i < columns; i++) {
      const float c = .81f * m[i] + .19f * g[i];
      m[i] = .9f * m[i] + .1f * g[i];
      u[i] = (float)((c > 0) - (c < 0));
      suu += u[i] * u[i];
      suw += u[i] * w[i];
      sww += w[i] * w[i];
    }
    const Turn turn = turn_of((Sums){0, suu, suw, sww, 0}, 0, columns, rotation, 1, 0, &tensor->neuron_slots[0][row], NULL, count);
    for (long i = 0; i < columns; i++) w[i] = turn.keep * w[i] - turn.step * u[i];
  }
}

static void lion_ar_last(const Tensor *tensor, long count) {
  if (tensor->rank < 2) return lion_a(tensor);
  const float rotation = angle(learning_rate * .1);
  const long columns = tensor->columns, rows = tensor->rows;
  for (long from = 0; from < columns; from += block) {
    const long width = columns - from < block ? columns - from : block;
    float suu[block] = {0}, suw[block] = {0}, sww[block] = {0};
    for (long row = 0; row < rows; row++) {
      const long at = row * columns + from;
      float *restrict u = scratch + row * width, *restrict m = tensor->slots[0] + at;
      const float *restrict w = tensor->w + at, *restrict g = tensor->g + at;
#pragma omp simd
      for (long i = 0; i < width; i++) {
        const float c = .81f * m[i] + .19f * g[i];
        m[i] = .9f * m[i] + .1f * g[i];
        u[i] = (float)((c > 0) - (c < 0));
        suu[i] += u[i] * u[i];
        suw[i] += u[i] * w[i];
        sww[i] += w[i] * w[i];
      }
    }
    float keep[block], step[block];
    for (long i = 0; i < width; i++) {
      const Turn turn = turn_of((Sums){0, suu[i], suw[i], sww[i], 0}, 0, rows, rotation, 1, 0, &tensor->neuron_slots[0][from + i], NULL, count);
      keep[i] = turn.keep;
      step[i] = turn.step;
    }
    for (long row = 0; row < rows; row++) {
      float *restrict w = tensor->w + row * columns + from;
      const float *restrict u = scratch + row * width;
#pragma omp simd
      for (long i = 0; i < width; i++) w[i] = keep[i] * w[i] - step[i] * u[i];
    }
  }
}

static const struct Rule {
  const char *name;
  int slots;
  Step *step;
  /* Of rotational rules: numbers kept for each neuron, and whether the neurons are rows or columns. */
  int neuron_slots;
  enum { no_neurons, rows_are_neurons, columns_are_neurons } neurons;
} rules[] = {
  {"adamw", 2, adamw, 0, no_neurons},
  {"lion", 1, lion, 0, no_neurons},
  {"sgdmomentum", 1, sgdmomentum, 0, no_neurons},
  {"rotational-adamw-first", 2, rotational_adamw_first, 2, rows_are_neurons},
  {"rotational-adamw-last", 2, rotational_adamw_last, 2, columns_are_neurons},
  {"lion-ar-first", 1, lion_ar_first, 1, rows_are_neurons},
  {"lion-ar-last", 1, lion_ar_last, 1, columns_are_neurons},
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

/* Vectors do not rotate. */
static long neurons_of(const Tensor *tensor) {
  if (tensor->rank < 2) return 0;
  return rule->neurons == rows_are_neurons ? tensor->rows : tensor->columns;
}

static void add_tensor(char *shape) {
  Tensor *tensor = realloc(tensors, (tensor_count + 1) * sizeof *tensors);
  if (!tensor) fail("out of memory");
  tensors = tensor;
  tensor = &tensors[tensor_count++];
  tensor->rank = tensor->rows = 1;
  tensor->columns = strtol(shape, &shape, 10);
  while (*shape == 'x') {
    tensor->rank++;
    tensor->rows *= tensor->columns;
    tensor->columns = strtol(shape + 1, &shape, 10);
  }
  tensor->size = tensor->rows * tensor->columns;
  tensor->w = floats(tensor->size, 2 * tensor_count);
  tensor->g = floats(tensor->size, 2 * tensor_count + 1);
  for (int i = 0; i < rule->slots; i++) tensor->slots[i] = floats(tensor->size, 0);
  for (int i = 0; i < rule->neuron_slots; i++) tensor->neuron_slots[i] = floats(neurons_of(tensor), 0);
}

/* The directions of one row, or of one block of columns. */
static void make_scratch(void) {
  long most = 0;
  for (long i = 0; i < tensor_count; i++) {
    const Tensor *tensor = &tensors[i];
    const long width = tensor->columns < block ? tensor->columns : block;
    const long size = rule->neurons == rows_are_neurons ? tensor->columns : tensor->rows * width;
    if (size > most) most = size;
  }
  if (rule->neurons) scratch = floats(most, 0);
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
  for (long i = 0; i < tensor_count; i++) elements += (3 + 2 * rule->slots) * (double)tensors[i].size + 2 * rule->neuron_slots * neurons_of(&tensors[i]);
  make_scratch();
  const double first = step();
  printf("{\"milliseconds\":%.9g,\"bytes\":%.0f}\n", first, elements * sizeof(float));
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
