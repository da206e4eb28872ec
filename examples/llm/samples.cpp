// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "samples.hpp"

#include "encode_text.hpp"
#include "finetune_data.hpp"
#include "llama_sampler.hpp"

namespace examples::llm {

std::vector<TokenId> prompt_ids(const FinetuneOptions& options, const Tokenizer& tokenizer,
                                const std::string& prompt) {
  std::vector<TokenId> ids;
  if (options.chat_samples) {
    const ChatTemplate chat = chat_template_of(options);
    check_chat_tokens(tokenizer, chat.style);
    tokenizer.encode(chat.render_prompt({{"user", prompt}}, edge_tokens(tokenizer)),
                     SpecialTokens::parse, ids);
  } else {
    tokenizer.encode(prompt, SpecialTokens::as_text, ids);
  }
  begin_with_bos(tokenizer, ids);
  return ids;
}

std::string sample_text(const FinetuneOptions& options, const Tokenizer& tokenizer,
                        Llama<float>& model, const std::string& prompt) {
  SamplingOptions sampling;
  sampling.temperature = options.temperature;
  sampling.seed = options.seed;
  sampling.most = options.sample_tokens;
  std::vector<TokenId> ids = prompt_ids(options, tokenizer, prompt);
  const auto goes_on = [&](TokenId id) { return id != tokenizer.eos(); };
  for (const TokenId id : continue_text<float>(model, ids, sampling, goes_on)) ids.push_back(id);
  return tokenizer.decode(ids);
}

}  // namespace examples::llm
