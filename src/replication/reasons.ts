/** The first of some reasons, and how many more there are; empty where there is none. */
export function inShort([first = '', ...more]: readonly string[]): string {
  return more.length === 0 ? first : `${first} (and ${more.length} more)`;
}
