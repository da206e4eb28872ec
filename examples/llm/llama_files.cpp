// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "llama_files.hpp"

#include <lorapro/io/file_reader.hpp>
#include <filesystem>

namespace examples::llm {

std::shared_ptr<const ModelTensors> open_model(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return open_hf_folder(path);
  const std::string extension = std::filesystem::path(path).extension().string();
  if (extension == ".bin") return open_llama2c(path);
  const lorapro::io::FileReader file(path);
  char magic[4] = {};
  file.read(0, std::min<std::size_t>(sizeof magic, file.size()), magic);
  if (std::string(magic, sizeof magic) == "GGUF") return open_gguf_model(path);
  throw lorapro::FormatError(path +
                             ": expected a folder with config.json and safetensors files, a GGUF "
                             "file, or a .bin file of llama2.c, got another file");
}

}  // namespace examples::llm
