// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/io/safetensors.hpp>

int main(int, char** argv) {
  const float written[] = {1, 2, 3, 4, 5, 6};
  lorapro::io::SafetensorsWriter file;
  file.add("weights", {2, 3}, written);
  file.write(argv[1]);
  const lorapro::io::SafetensorsReader reader(argv[1]);
  double read[6] = {};
  reader.read(reader.at("weights", {2, 3}), read);
  return read[5] == 6 ? 0 : 1;
}
