/**
 * The line on which a text stops being JSON. The messages of JSON.parse quote the text around an error, and in an auth
 * file that text is a secret. `jsonc-parser` gives positions only.
 */
import { visit } from 'jsonc-parser';

const strictly = { disallowComments: true, allowTrailingComma: false, allowEmptyContent: false };

/**
 * The 1-based line of the first error in `text`, or of its last character that is no blank if the text ends too early.
 * `text` must not be JSON, and must be within the depth limit of `parseJson`: the parser is recursive.
 */
export function jsonErrorLine(text: string): number {
  const written = text.trimEnd();
  let line = written.split('\n').length;
  const found = new Error('the first error ends the parse');
  try {
    visit(
      written,
      {
        onError(_code, _offset, _length, startLine) {
          line = startLine + 1;
          // What follows an error may be nested to any depth.
          throw found;
        },
      },
      strictly,
    );
  } catch (error) {
    if (error !== found) throw error;
  }
  return line;
}
