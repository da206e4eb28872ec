// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT

// Texts of all kinds that tokenizers trip over, the same for the same seed.

/// xorshift32: numbers from 0 to below n.
const generator = (seed) => {
  let state = (seed * 2654435761 + 1) >>> 0 || 1;
  return (n) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % n;
  };
};

const kWords = ("the a of and to in is it that was for on are with as his they be at one have this from "
  + "or had by hot but some what there we can out other were all your when up use word how said an "
  + "each she which do their time if will way about many then them would write like so these her "
  + "long make thing see him two has look more day could go come did my sound no most number who "
  + "internationalization antidisestablishmentarianism Größe naïve café straße œuvre ÅNGSTRÖM "
  + "\u0130stanbul \u01c5 \ufb01n \u017fo Привет мир σοφία ΣΊΣΥΦΟΣ שלום مرحبا नमस्ते สวัสดี 你好 世界 "
  + "漢字 ひらがな カタカナ 한국어 ქართული አማርኛ").split(" ");
const kContractions = "'s 't 're 've 'm 'll 'd 'S 'T 'RE 'Ve 'M 'lL 'D '\u017f \u2019s 'x ''s 'r 'v".split(" ");
const kSpaces = [..." \t\n\v\f\r\u0085\u00a0\u1680\u2000\u2003\u2009\u200a\u2028\u2029\u202f\u205f"
  + "\u3000\u200b\u200d\ufeff\u180e\u2060"];
const kSymbols = [..."!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~«»¿¡§¶†‡•…‰€£¥₿∑√∞≈←→⇒■▁█★☃♥✓〈〉「」、。！？"];
const kNumerals = [..."0123456789٠١٢٣४५६७०Ⅷⅷ½²³①⑳㊿一二三〇𝟘𝟙𝟚"];
const kMarks = [..."\u0300\u0301\u0302\u0303\u0308\u030a\u0323\u0327\u0328\u0331\u0345\u05b0\u064b\u093c"
  + "\u0e38\u3099\u309a\u20dd\ufe0f"];
const kBases = [..."aeiouAEIOUncsyzÅ\u212b\u2126\u03b1\u03c9\u0915\u0958\u0e01\u304b\u30cf\u1100\u1161\u11a8가각"
  + "\u0344\u1e9b\u00e9\u1ed9"];
const kEmoji = ["😀", "👍🏽", "👨‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪", "🇯🇵", "❤️", "1️⃣", "☺", "🤷🏻‍♀️", "🫠", "🥲"];
const kCode = ["int main(void) {\n    return 0;\n}\n", "def f(x):\n\treturn x**2  # squared\n",
  "for (size_t i=0;i<n;++i) a[i]+=b[i];", "SELECT * FROM t WHERE id = 42;", "<div class=\"a\">&nbsp;</div>",
  "x = {'a': [1, 2.5e-3], \"b\": None}\r\n\r\n", "https://example.org/a/b?c=d&e=%20f#g", "#!/bin/sh\nset -eu\n",
  "0xDEADBEEF 0b1010 1_000_000 3.14159", "template <typename T> class A : B<T> {};", "\\frac{a}{b} $x^2$"];

export function randomTexts(seed, count, addedTokens) {
  const random = generator(seed);
  const one = (list) => list[random(list.length)];
  const repeat = (most, make) => Array.from({ length: random(most + 1) }, make).join("");
  const codePoint = () => {
    const ranges = [[0, 0x80], [0x80, 0x800], [0x800, 0xd800], [0xe000, 0x10000], [0x10000, 0x20000],
      [0x20000, 0x110000]];
    const [low, high] = one(ranges);
    const text = String.fromCodePoint(low + random(high - low));
    // Tables of other releases of Unicode know other ones.
    return /\p{Assigned}/u.test(text) ? text : "";
  };
  const words = () => repeat(12, () => one(kWords) + one([" ", " ", " ", "", ", ", ". ", "\n"]));
  const kinds = [
    words,
    () => repeat(6, () => one(kWords) + one(kContractions) + one([" ", "", "s "])),
    () => repeat(8, () => one(kCode)),
    () => repeat(20, () => one(kNumerals) + one(["", "", "", " ", ".", ","])),
    () => repeat(10, () => one(kWords) + repeat(4, () => one(kSpaces))),
    () => repeat(12, () => one(kSpaces)) + one(kWords) + repeat(12, () => one(kSpaces)),
    () => repeat(12, () => one(kSymbols) + one(["", " ", "\n", "\r\n", "\u2581"])),
    () => repeat(10, () => one(kBases) + repeat(4, () => one(kMarks))),
    () => repeat(8, () => one(kEmoji) + one(["", " ", one(kWords)])),
    () => repeat(20, codePoint),
    () => repeat(30, () => one([one(kWords), one(kSpaces), one(kSymbols), one(kNumerals), one(kMarks),
      one(kEmoji), codePoint()])),
    () => repeat(8, () => one(addedTokens) + one(["", " ", "  ", "\n", "\u2003", one(kWords)])),
    () => words() + one(addedTokens).slice(0, -1) + words() + one(addedTokens).slice(1),
    () => one([" ", "\n", "a", "0", "=", "\u2581", "é", "ab", " \n", "漢", "😀"]).repeat(random(300)),
  ];
  return Array.from({ length: count }, () => {
    const text = Buffer.from(one(kinds)());
    // One in eight has bytes that are not UTF-8.
    if (random(8) === 0)
      for (let k = random(4); k >= 0 && text.length > 0; --k) text[random(text.length)] = 0x80 + random(128);
    return text;
  });
}
