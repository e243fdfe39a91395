/**
 * A stack of releases: each part that acquires something (a lock, a thread, connections) registers how it gives that back.
 * The last part that was made is released first, so a part is never used after something below it has gone. It is what
 * AsyncDisposableStack is, for versions of Node that lack it (before 24).
 */
export interface Releases {
  /** Registers how `resource` is released, and returns it. */
  add<T>(resource: T, release: (resource: T) => unknown): T;
  /**
   * Releases everything, last first, one after the other. A release that fails does not keep the others from running; rejects
   * at the end with its error, or with an AggregateError of several. A second call releases only what was added since.
   */
  unwind(): Promise<void>;
}

/** An empty stack. */
export function createReleases(): Releases {
  const stack: (() => unknown)[] = [];

  return {
    add(resource, release) {
      stack.push(() => release(resource));
      return resource;
    },

    async unwind() {
      const errors: unknown[] = [];
      for (let release = stack.pop(); release; release = stack.pop()) {
        try {
          await release();
        } catch (error) {
          errors.push(error);
        }
      }
      if (errors.length === 1) throw errors[0];
      if (errors.length > 1) throw new AggregateError(errors, 'several parts could not be released');
    },
  };
}
