/** The body of an answer over the network: it is pushed to one sink, without a stream in between. */
export interface PushedBody {
  /** Starts the delivery; called once. Nothing is read before it, so every body must be consumed or cancelled. */
  consume(sink: BodySink): void;
  /** Ends a pause that the sink asked for. */
  resume(): void;
  /** Closes the exchange; the sink is not called any more. May be called at any time. */
  cancel(): void;
}

export interface BodySink {
  /**
   * The sink owns `chunk` from now on, and may give it back to the blocks that sockets read into (`read-blocks.ts`). False asks
   * for a pause until `resume()`.
   */
  data(chunk: Buffer): boolean;
  /** The body ended as its framing says. The sink judges whether that is enough. */
  end(): void;
  fail(reason: string): void;
}
