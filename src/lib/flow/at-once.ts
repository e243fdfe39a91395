/**
 * Resolves with what `work` gives for each item, in their order; at most `count` are under way at once. After an error none begins any
 * more, and it rejects with the first one when those under way are over: nothing goes on behind the back of the caller.
 */
export async function mapAtOnce<Item, Result>(
  items: readonly Item[],
  count: number,
  work: (item: Item) => Promise<Result>,
): Promise<readonly Result[]> {
  const results: Result[] = new Array(items.length);
  const waiting = items.entries();
  const errors: unknown[] = [];
  async function run(): Promise<void> {
    for (const [index, item] of waiting) {
      try {
        results[index] = await work(item);
      } catch (error) {
        errors.push(error);
      }
      if (errors.length > 0) return;
    }
  }
  await Promise.all(Array.from({ length: Math.min(count, items.length) }, run));
  if (errors.length > 0) throw errors[0];
  return results;
}
