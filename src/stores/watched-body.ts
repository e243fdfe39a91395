/**
 * A body that fails when no byte has come for a while. The time that its sink makes it wait does not count: a slow reader is no fault
 * of the store.
 */
import type { BodySink, PushedBody } from '../lib/bytes/pushed-body.ts';
import type { Clock, Timer } from '../lib/clock.ts';

/** `stallTimeout`: milliseconds. */
export function watchedBody(
  body: PushedBody,
  { clock, stallTimeout }: { readonly clock: Clock; readonly stallTimeout: number },
): PushedBody {
  let timer: Timer | undefined;
  let movedAt = clock.monotonic();
  let isPaused = false;

  function watch(sink: BodySink, ms: number): void {
    timer = clock.after(ms, () => {
      const left = isPaused ? stallTimeout : movedAt + stallTimeout - clock.monotonic();
      if (left > 0) return watch(sink, left);
      body.cancel();
      sink.fail(`no byte for ${stallTimeout / 1000} s`);
    });
  }

  return {
    consume(sink) {
      movedAt = clock.monotonic();
      watch(sink, stallTimeout);
      body.consume({
        data(chunk) {
          movedAt = clock.monotonic();
          const isWelcome = sink.data(chunk);
          if (!isWelcome) isPaused = true;
          return isWelcome;
        },
        end() {
          timer?.cancel();
          sink.end();
        },
        fail(reason) {
          timer?.cancel();
          sink.fail(reason);
        },
      });
    },
    resume() {
      isPaused = false;
      movedAt = clock.monotonic();
      body.resume();
    },
    cancel() {
      timer?.cancel();
      body.cancel();
    },
  };
}
