/** The two forms in which a command answers at length: one JSON array, and lines of progress that end with a report. */

/** Characters of an array that are sent at once. */
const partLength = 64 * 1024;
/** Lines of progress that wait for a client that does not read. Further lines are dropped; the report is not. */
const maxWaiting = 1000;

/**
 * One JSON array, sent while it is made: to collect a hundred thousand items first would hold up other requests. If `items`
 * throws, the answer is broken off, and `onError` gets the error.
 */
export function arrayAnswer(items: AsyncIterable<object>, onError: (error: unknown) => void): Response {
  async function* parts(): AsyncGenerator<Uint8Array> {
    let part = '';
    let before = '[';
    try {
      for await (const item of items) {
        part += `${before}${JSON.stringify(item)}`;
        before = ',';
        if (part.length < partLength) continue;
        yield Buffer.from(part);
        part = '';
      }
    } catch (error) {
      onError(error);
      throw error;
    }
    yield Buffer.from(before === '[' ? '[]' : `${part}]`);
  }
  return new Response(ReadableStream.from(parts()), { headers: { 'content-type': 'application/json' } });
}

/**
 * What a long command does, and gives as its report. The signal aborts when the client leaves. `mustTell` is for a step that is never
 * dropped.
 */
export type LongWork<Report extends object> = (
  onProgress: (progress: object) => void,
  signal: AbortSignal,
  mustTell: (progress: object) => void,
) => Promise<Report>;

/** Begins the answer of a long command. `isDone`: whether a report says that all was done; default: always. */
export type LongAnswer = <Report extends object>(
  work: LongWork<Report>,
  isDone?: (report: Report) => boolean,
) => Response;

/**
 * One JSON object per line: `{"progress"}` for each step, at the end `{"report"}`, or what `errorBody` makes of an error. `onEnd` gets
 * the report, or nothing where there is none.
 */
export function progressAnswer<Report extends object>(
  work: LongWork<Report>,
  errorBody: (error: unknown) => object,
  onEnd: (report: Report | undefined) => void,
): Response {
  const watching = new AbortController();
  const { signal } = watching;
  const body = new ReadableStream<Uint8Array>(
    {
      async start(controller) {
        const write = (line: object) => {
          if (!signal.aborted) controller.enqueue(Buffer.from(`${JSON.stringify(line)}\n`));
        };
        const onProgress = (progress: object) => {
          if ((controller.desiredSize ?? 0) > 0) write({ progress });
        };
        try {
          const report = await work(onProgress, signal, (progress) => write({ progress }));
          onEnd(report);
          write({ report });
        } catch (error) {
          onEnd(undefined);
          write(errorBody(error));
        }
        if (!signal.aborted) controller.close();
      },
      cancel: () => watching.abort(),
    },
    { highWaterMark: maxWaiting },
  );
  return new Response(body, { headers: { 'content-type': 'application/x-ndjson' } });
}
