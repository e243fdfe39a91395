/** The first rows of a list that may be long. */

export interface FirstRows<Row> {
  readonly rows: readonly Row[];
  /** There are more. */
  readonly hasMore: boolean;
}

/** Reads no further than one row beyond `limit`. */
export async function firstRows<Row>(list: AsyncIterable<Row>, limit: number): Promise<FirstRows<Row>> {
  const rows: Row[] = [];
  for await (const row of list) {
    if (rows.length === limit) return { rows, hasMore: true };
    rows.push(row);
  }
  return { rows, hasMore: false };
}
