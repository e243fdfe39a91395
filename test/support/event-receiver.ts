/** A receiver of events on loopback whose answers a test scripts. */
import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { eventually } from './eventually.ts';
import { type Listener, type ListenerOptions, listen } from './listener.ts';
import type { Cleanup } from './temp-folder.ts';

export interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly method: string;
  readonly path: string;
  readonly body: string;
  /** The event of either format. */
  readonly event: ReceivedEvent;
}

/** What tests look at, of either format. */
export interface ReceivedEvent {
  readonly id: string;
  readonly type: string;
  /** Of distribution: target, request, actor and source beside it. */
  readonly [member: string]: unknown;
}

/** A status, or what answers in another way, or not at all. */
type Answering = number | ((answer: ServerResponse) => void);

export interface EventReceiver extends Pick<Listener, 'url' | 'close' | 'reopen' | 'connections'> {
  /** All requests so far, in their order. */
  readonly received: readonly Received[];
  /** Those that were answered with 2xx. */
  readonly taken: readonly Received[];
  /** Chooses the answers from now on. */
  answer(choose: (request: Received) => Answering): void;
  /** Resolves when so many requests were answered with 2xx. */
  took(count: number): Promise<readonly Received[]>;
  /** Resolves when so many requests came. */
  got(count: number): Promise<readonly Received[]>;
}

/** Answers 200 to everything until a test says otherwise. */
export async function startEventReceiver(
  test: Cleanup,
  options: ListenerOptions = {},
): Promise<EventReceiver> {
  const received: Received[] = [];
  const taken: Received[] = [];
  let choose: (request: Received) => Answering = () => 200;

  const listener = await listen(options, async (incoming, outgoing) => {
    const body = await text(incoming).catch(() => '');
    const { headers, method = '', url: path = '' } = incoming;
    const request = { headers, method, path, body, event: eventOf(body) };
    received.push(request);
    const answering = choose(request);
    if (typeof answering === 'function') return answering(outgoing);
    if (answering >= 200 && answering < 300) taken.push(request);
    outgoing.writeHead(answering).end();
  });
  test.after(() => listener.close());

  return {
    url: listener.url,
    close: listener.close,
    reopen: listener.reopen,
    connections: listener.connections,
    received,
    taken,
    answer(next) {
      choose = next;
    },
    async took(count) {
      await eventually(`${count} events were taken`, () => taken.length >= count);
      return taken;
    },
    async got(count) {
      await eventually(`${count} events came`, () => received.length >= count);
      return received;
    },
  };
}

function eventOf(body: string): ReceivedEvent {
  const json = JSON.parse(body) as { events?: ReceivedEvent[] } & ReceivedEvent;
  const [first] = json.events ?? [];
  return first ? { ...first, type: String(first.action) } : json;
}
