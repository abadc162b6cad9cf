const words: Readonly<Record<string, string>> = {
  class: 'the class token',
  patch: 'the first patch',
  frame: 'the first frame',
};

/** What stands at position 0 of a scan's page: "the first token", "the class token". */
export function firstToken({
  input,
}: {
  readonly input: { readonly page: readonly { readonly role: string }[] };
}): string {
  return words[input.page[0]?.role ?? ''] ?? 'the first token';
}
