/*
 * Runs a model that Kiln has compiled and wasm2c has turned into C.
 *
 *   host [--warmup N] [SYMBOL=VALUE ...] < inputs > outputs
 *
 * Reads all inputs of a run from stdin, in the order of the model and in their form in memory, and writes its outputs
 * to stdout, until stdin ends. Figures go to stderr, as JSON.
 *
 * All that it knows of the model is in model.abi.h; module.h is what wasm2c declares. A host of your own is much
 * shorter: instantiate, copy the inputs to where the header says, call run, read the outputs.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "model.abi.h"
#include "module.h"
#include "wasm-rt-impl.h"

static Z_model_instance_t instance;

static uint8_t *at(uint32_t address) {
  return Z_modelZ_memory(&instance)->data + address;
}

static int32_t cell(uint32_t address) {
  int32_t value;
  memcpy(&value, at(address), sizeof value);
  return value;
}

static uint32_t address_of(const kiln_tensor *tensor) {
  return tensor->address_cell != 0 ? (uint32_t)cell(tensor->address_cell) : tensor->address;
}

/* Bits of an element, by kiln_type: of types whose length only the run knows. */
static uint32_t bits_of(kiln_type type) {
  switch (type) {
    case KILN_FLOAT64:
    case KILN_INT64:
    case KILN_UINT64:
      return 64;
    case KILN_FLOAT32:
    case KILN_INT32:
    case KILN_UINT32:
      return 32;
    case KILN_FLOAT16:
    case KILN_BFLOAT16:
    case KILN_INT16:
    case KILN_UINT16:
      return 16;
    case KILN_INT4:
    case KILN_UINT4:
    case KILN_FLOAT4E2M1:
      return 4;
    case KILN_INT2:
    case KILN_UINT2:
      return 2;
    default:
      return 8;
  }
}

static size_t bytes_of(const kiln_tensor *tensor) {
  if (tensor->address_cell == 0) return tensor->byte_length;
  size_t elements = 1;
  for (uint32_t i = 0; i < tensor->rank; i++) {
    uint32_t from = tensor->dim_cells[i];
    elements *= (size_t)(from != 0 ? cell(from) : tensor->dims[i]);
  }
  return (elements * bits_of(tensor->type) + 7) / 8;
}

static void fail(const char *what) {
  fprintf(stderr, "host: %s\n", what);
  exit(1);
}

static void check(uint32_t result) {
  if (result == 0) return;
  const kiln_error *error = &model_model.errors[result - 1];
  fprintf(stderr, "host: %s%s%s\n", error->message, error->node ? ", in node " : "",
          error->node ? error->node : "");
  exit(1);
}

#ifdef KILN_PREPARE
static void set_symbol(const char *argument) {
  const char *equals = strrchr(argument, '=');
  if (equals == NULL) fail("expected SYMBOL=VALUE");
  size_t length = (size_t)(equals - argument);
  for (uint32_t i = 0; i < model_model.symbol_count; i++) {
    const kiln_symbol *symbol = &model_model.symbols[i];
    if (strlen(symbol->name) != length || strncmp(symbol->name, argument, length) != 0) continue;
    int32_t value = (int32_t)strtol(equals + 1, NULL, 10);
    if (value < symbol->min || value > symbol->max) fail("a size is out of its bounds");
    memcpy(at(symbol->cell), &value, sizeof value);
    return;
  }
  fail("the model has no such symbol");
}
#endif

/* All inputs of one run; 0 at the end of the file. */
static int read_inputs(uint8_t *inputs, size_t length) {
  size_t got = fread(inputs, 1, length, stdin);
  if (got != 0 && got != length) fail("the last run lacks inputs");
  return got != 0;
}

static void place_inputs(const uint8_t *inputs) {
  for (uint32_t i = 0; i < model_model.input_count; i++) {
    const kiln_tensor *input = &model_model.inputs[i];
    size_t length = bytes_of(input);
    memcpy(at(address_of(input)), inputs, length);
    inputs += length;
  }
}

static void write_outputs(void) {
  for (uint32_t i = 0; i < model_model.output_count; i++) {
    const kiln_tensor *output = &model_model.outputs[i];
    size_t length = bytes_of(output);
    if (fwrite(at(address_of(output)), 1, length, stdout) != length) fail("cannot write the outputs");
  }
}

static double milliseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

int main(int argc, char **argv) {
  long warmup = 0;
  wasm_rt_init();
  Z_model_init_module();
  Z_model_instantiate(&instance);
  wasm_rt_trap_t trap = wasm_rt_impl_try();
  if (trap != WASM_RT_TRAP_NONE) fail(wasm_rt_strerror(trap));

  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--warmup") == 0 && i + 1 < argc) warmup = strtol(argv[++i], NULL, 10);
#ifdef KILN_PREPARE
    else set_symbol(argv[i]);
#else
    else fail("the sizes of this model are fixed");
#endif
  }
#ifdef KILN_PREPARE
  check(Z_modelZ_prepare(&instance));
#endif

  size_t length = 0;
  for (uint32_t i = 0; i < model_model.input_count; i++) length += bytes_of(&model_model.inputs[i]);
  if (length == 0) fail("the model has no inputs to read");
  uint8_t *inputs = malloc(length);
  if (inputs == NULL) fail("no memory for the inputs");

  double best = 1e300, total = 0;
  long runs = 0;
  while (read_inputs(inputs, length)) {
    /* Runs of a model with states are a sequence: there is none to be left out. */
    for (long i = 0; i < warmup && model_model.state_count == 0; i++) {
      place_inputs(inputs);
      check(Z_modelZ_run(&instance));
    }
    place_inputs(inputs);
    double started = milliseconds();
    uint32_t result = Z_modelZ_run(&instance);
    double took = milliseconds() - started;
    check(result);
    write_outputs();
    total += took;
    if (took < best) best = took;
    runs++;
  }
  if (fflush(stdout) != 0) fail("cannot write the outputs");

  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  fprintf(stderr,
          "{\"runs\": %ld, \"bestMs\": %.4f, \"meanMs\": %.4f, \"linearMemoryBytes\": %u, \"residentBytes\": %ld}\n",
          runs, runs > 0 ? best : 0.0, runs > 0 ? total / (double)runs : 0.0,
          (unsigned)Z_modelZ_memory(&instance)->size, usage.ru_maxrss * 1024);
  free(inputs);
  Z_model_free(&instance);
  return 0;
}
