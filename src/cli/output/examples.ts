/** The end of the help of a command: command lines to copy. */
export function examples(...lines: readonly string[]): string {
  const head = lines.length === 1 ? 'Example:' : 'Examples:';
  return `\n${[head, ...lines.map((line) => `  ${line}`)].join('\n')}`;
}
