// The same with a fault, which verify must reject: it takes every case for one with scale 1.
#include "run.h"

int main(int count, char** words) {
  return run(count, words, [](const ExportedCase&) { return 1.0F; });
}
