/** Paths below `/events/`: `/events/NAME`, and `/events/NAME/SECRET`. */

const beginning = '/events/';

export interface EventPath {
  /** As sent; empty if there is none. */
  readonly name: string;
  /** What stands after the name, percent-decoded; undefined if nothing does. */
  readonly secret: string | undefined;
  /** For the log: without what stands after the name, which may be a secret. */
  readonly shown: string;
}

/** Whether a raw request target is below `/events/`. */
export function isEventsUrl(url: string): boolean {
  return url.startsWith(beginning);
}

/** Splits a request target that is below `/events/`. Its query is ignored. */
export function readEventPath(url: string): EventPath {
  const [path = ''] = url.split('?', 1);
  const rest = path.slice(beginning.length);
  const slash = rest.indexOf('/');
  if (slash < 0) return { name: rest, secret: undefined, shown: path };
  const name = rest.slice(0, slash);
  return { name, secret: decoded(rest.slice(slash + 1)), shown: `${beginning}${name}/...` };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
