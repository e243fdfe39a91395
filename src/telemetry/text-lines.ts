/**
 * Log lines for people instead of JSON:
 *
 *   18:03:12 info  GET 200 /v2/quay.io/team/app/manifests/1 in 312 ms  cache=fetched endpoint=quay.io/team/app id=4f0c9a6d21be
 *   18:03:12 warn  a host is skipped for now: it does not answer well  host=m1.corp reason="connection refused"
 *
 * A message of several lines, which is an error of a configuration file, goes on in indented lines:
 *
 *   18:03:12 error configuration not reloaded, the old one stays: is not valid TOML  file=/etc/entrepot/entrepot.toml line=1
 *                  1 | listen =
 *                    |         ^
 *
 * Text from registries and clients is quoted, so that it cannot move the cursor or begin a line that looks like one of the log.
 */

import { unicodeEscapes } from '../lib/unicode-escapes.ts';

interface LineSink {
  write(line: string): void;
}

/** Fields that begin the line of a request. */
const leading = new Set(['method', 'status', 'path', 'ms']);
/** Indentation of further lines: they begin below the first word of the message. */
const indent = ' '.repeat('18:03:12 error '.length);
/** Fields that are not printed as NAME=VALUE: every line has them, or they are for programs. */
const common = new Set(['level', 'time', 'event', 'msg']);

/** `write` takes JSON lines of the log; `to` gets text. */
export function textLines(to: LineSink): LineSink {
  return { write: (line) => to.write(asText(line)) };
}

function asText(line: string): string {
  const fields = JSON.parse(line) as Record<string, unknown>;
  const { level, time, msg } = fields;
  const isRequest = msg === 'request' && 'status' in fields;
  const [first = '', ...more] = String(msg).split('\n');
  const what = isRequest
    ? `${plain(fields.method)} ${plain(fields.status)} ${plain(fields.path)} in ${plain(fields.ms)} ms`
    : escaped(first);
  const rest = Object.entries(fields)
    .filter(([name]) => !common.has(name) && !(isRequest && leading.has(name)))
    .map(([name, value]) => `${name}=${name === 'trail' ? trailText(value) : plain(value)}`);
  const clock = new Date(String(time)).toTimeString().slice(0, 8);
  const head = `${clock} ${String(level).padEnd(5)} ${what}`;
  const lines = [
    rest.length > 0 ? `${head}  ${rest.join(' ')}` : head,
    ...more.map((text) => indent + escaped(text.replaceAll('\t', ' '))),
  ];
  return `${lines.join('\n')}\n`;
}

/** `"m1.corp connection refused; quay.io ok"`. */
function trailText(trail: unknown): string {
  const attempts = trail as readonly { endpoint: string; outcome: string; reason?: string }[];
  return plain(
    attempts.map(({ endpoint, outcome, reason }) => `${endpoint} ${reason ?? outcome}`).join('; '),
  );
}

/** Unchanged if it is one word of printable characters, else quoted and escaped. */
function plain(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  if (typeof value !== 'string' || /^[\x21\x23-\x7e]+$/.test(text)) return escaped(text);
  return escaped(JSON.stringify(text));
}

/** Printable ASCII unchanged, every other character as a \u escape. */
function escaped(text: string): string {
  return unicodeEscapes(text, /[^\x20-\x7e]/g);
}
