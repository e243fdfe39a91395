/**
 * The body of a peer. A peer that has lost its network, or its machine, closes no connection, and a stall may as well be its registry's. So
 * a peer that has sent no byte for 250 to 500 ms is asked whether it is there. If it does not answer, the body fails, and the next endpoint
 * goes on: a second after the last byte at the latest.
 */
import type { BodySink, PushedBody } from '../../lib/bytes/pushed-body.ts';
import type { Clock, Timer } from '../../lib/clock.ts';

/** ms between two looks at whether a byte has come. */
const lookEvery = 250;
/** ms that a peer has to answer for itself. */
export const longestPing = 500;

/** `isThere` resolves with false if the peer does not answer within `longestPing`. */
export function livingBody(
  body: PushedBody,
  { clock, isThere }: { readonly clock: Clock; isThere(): Promise<boolean> },
): PushedBody {
  let timer: Timer | undefined;
  /** A byte has come, or none may come, since the watch looked last. */
  let isMoving = true;
  let isPaused = false;
  let isOver = false;

  function end(): void {
    isOver = true;
    timer?.cancel();
  }

  function watch(sink: BodySink): void {
    timer = clock.after(lookEvery, async () => {
      const wasMoving = isMoving || isPaused;
      isMoving = false;
      const goesOn = wasMoving || (await isThere()) || isMoving;
      if (isOver) return;
      if (goesOn) return watch(sink);
      end();
      body.cancel();
      sink.fail('the peer no longer answers');
    });
  }

  return {
    consume(sink) {
      watch(sink);
      body.consume({
        data(chunk) {
          isMoving = true;
          isPaused = !sink.data(chunk);
          return !isPaused;
        },
        end() {
          end();
          sink.end();
        },
        fail(reason) {
          end();
          sink.fail(reason);
        },
      });
    },
    resume() {
      isPaused = false;
      isMoving = true;
      body.resume();
    },
    cancel() {
      end();
      body.cancel();
    },
  };
}
