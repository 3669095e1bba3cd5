// Answers an exported case. c++ -std=c++17 -O2 naive_attention.cpp -o naive_attention
#include "run.h"

int main(int count, char** words) {
  return run(count, words,
             [](const ExportedCase& asked) { return std::stof(asked.values.at("scale")); });
}
