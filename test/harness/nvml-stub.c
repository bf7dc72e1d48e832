/*
 * A libnvidia-ml.so.1 for tests: the functions that Countersign calls, with the structures as nvml.h declares them, so that
 * a wrong offset on our side shows. What it answers stands in the file `control` beside it, one "name value" a line, read
 * anew at each call; reports and certificates come from the socket `gpu.sock` beside it, where the test signs them.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

typedef int nvmlReturn_t;
typedef struct { int index; } *nvmlDevice_t;
typedef struct { unsigned int environment, ccFeature, devToolsMode; } nvmlConfComputeSystemState_t;
typedef struct {
  unsigned int version, environment, ccFeature, devToolsMode, multiGpuMode;
} nvmlSystemConfComputeSettings_v1_t;
typedef struct {
  unsigned int isCecAttestationReportPresent, attestationReportSize, cecAttestationReportSize;
  unsigned char nonce[0x20], attestationReport[0x2000], cecAttestationReport[0x1000];
} nvmlConfComputeGpuAttestationReport_t;
typedef struct {
  unsigned int certChainSize, attestationCertChainSize;
  unsigned char certChain[0x1000], attestationCertChain[0x1400];
} nvmlConfComputeGpuCertificate_t;

_Static_assert(sizeof(nvmlConfComputeGpuAttestationReport_t) == 12332, "report");
_Static_assert(sizeof(nvmlConfComputeGpuCertificate_t) == 9224, "certificate");

static int initialised = 0;
static struct { int index; } devices[32];

static void beside(char *path, size_t size, const char *name) {
  Dl_info info;
  if (dladdr((void *)beside, &info) == 0) abort();
  snprintf(path, size, "%s", info.dli_fname);
  char *slash = strrchr(path, '/');
  snprintf(slash + 1, size - (size_t)(slash + 1 - path), "%s", name);
}

static long setting(const char *name, long otherwise) {
  char path[512], key[128];
  long value, found = otherwise;
  beside(path, sizeof path, "control");
  FILE *file = fopen(path, "r");
  if (file == NULL) return otherwise;
  while (fscanf(file, "%127s %ld", key, &value) == 2) if (strcmp(key, name) == 0) found = value;
  fclose(file);
  return found;
}

static long fault(const char *kind, const char *function, int device) {
  char name[128];
  snprintf(name, sizeof name, "%s.%s", kind, function);
  long all = setting(name, 0);
  snprintf(name, sizeof name, "%s.%s.%d", kind, function, device);
  return device < 0 ? all : setting(name, all);
}

/* The faults that any function can have: it prints, hangs, crashes, ends the process, or returns an error. */
static nvmlReturn_t enter(const char *function, int device) {
  printf("{\"code\":0,\"id\":1,\"out\":\"\"}\n");
  fflush(stdout);
  if (fault("hang", function, device)) for (;;) pause();
  if (fault("crash", function, device)) { signal(SIGSEGV, SIG_DFL); *(volatile int *)8 = 1; }
  if (fault("exit", function, device)) _exit(0);
  /* What a library that scribbles over the process could send in our name. */
  if (fault("garbage", function, device)) { if (write(3, "{\"code\":0,\"id\":999,\"out\":\"\"}\n", 29) < 0) abort(); }
  if (fault("flood", function, device)) {
    char noise[4096];
    memset(noise, 'x', sizeof noise);
    for (int i = 0; i < 16; i++) if (write(3, noise, sizeof noise) < 0) abort();
  }
  nvmlReturn_t code = (nvmlReturn_t)fault("return", function, device);
  if (code != 0) return code;
  return initialised || strcmp(function, "nvmlInit_v2") == 0 ? 0 : 1;
}

#define ENTER(device) do { nvmlReturn_t code_ = enter(__func__, device); if (code_ != 0) return code_; } while (0)

/* Asks the test: one kind, one index, a nonce; the answer ends with the connection. */
static unsigned int ask(char kind, int index, const unsigned char *nonce, unsigned char *out, unsigned int max) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  beside(address.sun_path, sizeof address.sun_path, "gpu.sock");
  int handle = socket(AF_UNIX, SOCK_STREAM, 0);
  if (handle < 0 || connect(handle, (struct sockaddr *)&address, sizeof address) != 0) return 0;
  unsigned char request[34] = {(unsigned char)kind, (unsigned char)index};
  if (nonce != NULL) memcpy(request + 2, nonce, 32);
  unsigned int length = 0;
  if (write(handle, request, sizeof request) == sizeof request) {
    ssize_t more;
    while (length < max && (more = read(handle, out + length, max - length)) > 0) length += (unsigned int)more;
  }
  close(handle);
  return length;
}

/* What code in this process finds when the library is loaded, written to the file `seen` beside it. */
__attribute__((constructor)) static void look(void) {
  char path[512], entry[300], target[300];
  extern char **environ;
  beside(path, sizeof path, "seen");
  FILE *file = setting("look", 0) ? fopen(path, "w") : NULL;
  if (file == NULL) return;
  fprintf(file, "dumpable %d\nno_new_privs %d\n", prctl(PR_GET_DUMPABLE), prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
  for (char **one = environ; one != NULL && *one != NULL; one++) fprintf(file, "env %s\n", *one);
  for (int handle = 0; handle < 1024; handle++) {
    if (handle == fileno(file)) continue;
    snprintf(entry, sizeof entry, "/proc/self/fd/%d", handle);
    ssize_t length = readlink(entry, target, sizeof target - 1);
    if (length >= 0) fprintf(file, "fd %d %.*s\n", handle, (int)length, target);
  }
  const char *names[] = {"environ", "mem", "fd/0", "maps"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    snprintf(entry, sizeof entry, "/proc/%d/%s", getppid(), names[i]);
    int handle = open(entry, O_RDONLY);
    char byte;
    fprintf(file, "parent %s %s\n", names[i], handle < 0 ? "closed" : read(handle, &byte, 1) < 0 && errno != EIO ? "unread" : "open");
    if (handle >= 0) close(handle);
  }
  fclose(file);
}

#ifndef OLDEST_DRIVER
EXPORT nvmlReturn_t nvmlInit_v2(void) { ENTER(-1); initialised = 1; return 0; }
#endif
EXPORT nvmlReturn_t nvmlShutdown(void) { ENTER(-1); initialised = 0; return 0; }

EXPORT nvmlReturn_t nvmlSystemGetConfComputeState(nvmlConfComputeSystemState_t *state) {
  ENTER(-1);
  state->environment = (unsigned int)setting("environment", 2);
  state->ccFeature = (unsigned int)setting("ccFeature", 1);
  state->devToolsMode = (unsigned int)setting("devToolsMode", 0);
  return 0;
}

#ifndef OLD_DRIVER
EXPORT nvmlReturn_t nvmlSystemGetConfComputeSettings(nvmlSystemConfComputeSettings_v1_t *settings) {
  ENTER(-1);
  if (settings->version != (sizeof *settings | 1u << 24)) return 25;
  settings->environment = (unsigned int)setting("environment", 2);
  settings->ccFeature = (unsigned int)setting("ccFeature", 1);
  settings->devToolsMode = (unsigned int)setting("settings.devToolsMode", setting("devToolsMode", 0));
  settings->multiGpuMode = (unsigned int)setting("multiGpuMode", 0);
  return 0;
}
#endif

EXPORT nvmlReturn_t nvmlSystemGetConfComputeGpusReadyState(unsigned int *ready) {
  ENTER(-1);
  *ready = (unsigned int)setting("ready", 1);
  return 0;
}

EXPORT nvmlReturn_t nvmlSystemGetDriverVersion(char *text, unsigned int length) {
  ENTER(-1);
  if (length != 80) return 7;
  snprintf(text, length, "580.159.03");
  if (setting("text.unended", 0)) memset(text, 'x', length);
  return 0;
}

EXPORT nvmlReturn_t nvmlDeviceGetCount_v2(unsigned int *count) {
  ENTER(-1);
  *count = (unsigned int)setting("count", 1);
  return 0;
}

EXPORT nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t *device) {
  ENTER((int)index);
  if (index >= (unsigned int)setting("count", 1)) return 2;
  /* "same.3 2": the fourth GPU is the third once more. */
  char same[128];
  snprintf(same, sizeof same, "same.%u", index);
  devices[index].index = (int)setting(same, (long)index);
  *device = (nvmlDevice_t)&devices[index];
  return 0;
}

EXPORT nvmlReturn_t nvmlDeviceGetArchitecture(nvmlDevice_t device, unsigned int *architecture) {
  ENTER(device->index);
  *architecture = (unsigned int)setting("architecture", 9);
  return 0;
}

EXPORT nvmlReturn_t nvmlDeviceGetVbiosVersion(nvmlDevice_t device, char *text, unsigned int length) {
  ENTER(device->index);
  if (length != 32) return 7;
  snprintf(text, length, "96.00.9F.00.01");
  return 0;
}

EXPORT nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t device, char *text, unsigned int length) {
  ENTER(device->index);
  if (length != 80) return 7;
  snprintf(text, length, "GPU-00000000-0000-0000-0000-%012d", device->index);
  return 0;
}

EXPORT nvmlReturn_t nvmlDeviceGetConfComputeGpuAttestationReport(nvmlDevice_t device, nvmlConfComputeGpuAttestationReport_t *report) {
  ENTER(device->index);
  for (unsigned int i = 0; i < sizeof report->attestationReport; i++) if (report->attestationReport[i] != 0) return 2;
  report->attestationReportSize = ask('R', device->index, report->nonce, report->attestationReport, sizeof report->attestationReport);
  report->attestationReportSize = (unsigned int)setting("reportSize", report->attestationReportSize);
  return 0;
}

EXPORT nvmlReturn_t nvmlDeviceGetConfComputeGpuCertificate(nvmlDevice_t device, nvmlConfComputeGpuCertificate_t *chain) {
  ENTER(device->index);
  /* The other chain, which ends in the device's identity: taking it would be a mistake that nobody notices. */
  chain->certChainSize = (unsigned int)snprintf((char *)chain->certChain, sizeof chain->certChain, "not this one");
  chain->attestationCertChainSize = ask('C', device->index, NULL, chain->attestationCertChain, sizeof chain->attestationCertChain);
  chain->attestationCertChainSize = (unsigned int)setting("certificateSize", chain->attestationCertChainSize);
  return 0;
}
