/** The form of a noun after a number. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return count === 1 ? one : many;
}
