/**
 * Errors a user can act on. The message names the place (function, file or option), what was expected, what came and what to try:
 * `safetensors model.safetensors: tensor "lm_head.weight" ends at byte 900, the file has 800; the download may be incomplete`.
 *
 * The command line prints the message alone; anything that is not a `SinklabError` is a bug of ours and keeps its stack.
 */
export class SinklabError extends Error {
  override name = 'SinklabError';
}

/** Symbolic tensors that do not fit: names operator, argument, axes and sizes. */
export class ShapeError extends SinklabError {
  override name = 'ShapeError';
}

/** A weight file, config or tokenizer that is damaged, hostile, incomplete or not understood. */
export class LoadError extends SinklabError {
  override name = 'LoadError';
}

/** An option, prompt or argument outside its range. */
export class InputError extends SinklabError {
  override name = 'InputError';
}

/** A key/value cache that has no room for what its policy keeps: the text ends here. */
export class CacheFullError extends InputError {
  override name = 'CacheFullError';
}

/** A program that could not be compiled or run. */
export class RunError extends SinklabError {
  override name = 'RunError';
}
