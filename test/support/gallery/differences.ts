/**
 * Where an answer through Entrepot differs from the answer of the registry itself, each with its reason. Whatever differs and is
 * not here is a defect. docs/registries.md has the list.
 */
import { createHash } from 'node:crypto';
import { type HttpAnswer, json } from '../http-client.ts';
import type { Question } from './questions.ts';

/** What is compared of an answer. */
export interface Seen {
  /** 0: the connection was closed without an answer. */
  readonly status: number;
  readonly digest: string | undefined;
  readonly type: string | undefined;
  readonly length: string | undefined;
  readonly range: string | undefined;
  /** What the body holds; of lists the entries, of errors nothing. */
  readonly body: string;
}

export interface Difference {
  readonly what: string;
  readonly reason: string;
  readonly explains: (difference: Compared) => readonly (keyof Seen)[];
}

interface Compared {
  readonly question: Question;
  readonly direct: Seen;
  readonly through: Seen;
}

const all: readonly (keyof Seen)[] = ['status', 'digest', 'type', 'length', 'range', 'body'];
const isBlob = ({ path }: Question) => path.startsWith('blobs/');
const isList = ({ path }: Question) => path.startsWith('tags/') || path.startsWith('referrers/');
const isOk = ({ status }: Seen) => status === 200 || status === 206;
const when = (holds: boolean, fields: readonly (keyof Seen)[]) => (holds ? fields : []);

export const differences: readonly Difference[] = [
  {
    what: 'A refusal (400, 401, 403) becomes 502, and the body has the answer of each endpoint.',
    reason:
      'Entrepot asks with its own account. A 401 would make the client log in to Entrepot, and a 404 would be untrue.',
    explains: ({ direct, through }) =>
      when([400, 401, 403].includes(direct.status) && through.status === 502, all),
  },
  {
    what: 'The text of an error differs.',
    reason: 'It names every endpoint that was asked. The status is the same.',
    explains: ({ direct, through }) =>
      when(direct.status >= 400 && direct.status === through.status, ['type', 'length', 'digest', 'range']),
  },
  {
    what: 'HEAD is answered even if the registry refuses HEAD, or answers 404 to it until a GET.',
    reason: 'Only GET decides whether content exists.',
    explains: ({ question, direct, through }) =>
      when(
        question.method === 'HEAD' &&
          !isOk(direct) &&
          through.status === { present: 200, missing: 404, forbidden: undefined }[question.about],
        all,
      ),
  },
  {
    what: 'A blob is whole even if the registry breaks off its answer.',
    reason: 'The rest is fetched from the byte that was reached.',
    explains: ({ direct, through }) => when(direct.body === 'broken off' && isOk(through), ['body']),
  },
  {
    what: 'Docker-Content-Digest is in every answer.',
    reason: 'Entrepot knows the digest of everything that it serves.',
    explains: ({ direct, through }) => when(direct.digest === undefined && isOk(through), ['digest']),
  },
  {
    what: 'Content-Length is there even if the registry sends none.',
    reason: 'Entrepot knows the size of its content.',
    explains: ({ direct, through }) => when(direct.length === undefined && isOk(through), ['length']),
  },
  {
    what: 'A blob is application/octet-stream.',
    reason: 'The type that a storage gives its files says nothing about the blob.',
    explains: ({ question, through }) =>
      when(isBlob(question) && isOk(through) && through.type === 'application/octet-stream', ['type']),
  },
  {
    what: 'A range of a blob is 206 even if the registry gives the whole blob, or gives the part with 200.',
    reason: 'Entrepot cuts ranges itself.',
    explains: ({ question, direct, through }) =>
      when(
        question.headers.range !== undefined && direct.status === 200 && [206, 416].includes(through.status),
        all,
      ),
  },
  {
    what: 'A tag list is whole, in one answer, and without fields that a registry adds.',
    reason: 'Entrepot reads all pages, so that a cached list is complete.',
    explains: ({ question, direct, through }) =>
      when(isList(question) && isOk(direct) && isOk(through), ['length', 'type', 'digest']),
  },
  {
    what: 'Referrers are filtered by artifactType even if the registry ignores it.',
    reason: 'The specification allows the filter, and one cached list serves every filter.',
    explains: ({ question, direct, through }) =>
      when(question.path.includes('?artifactType=') && isOk(direct) && isOk(through), ['body']),
  },
  {
    what: 'Every registry has the referrers API, with its filter.',
    reason: 'Entrepot reads the fallback tag itself, as a client would have to.',
    explains: ({ question, direct, through }) =>
      when(question.path.startsWith('referrers/') && direct.status === 404 && through.status === 200, all),
  },
];

/** Fields that differ, and that no difference explains. */
export function unexplained(compared: Compared): readonly string[] {
  const known = new Set(differences.flatMap(({ explains }) => explains(compared)));
  return all
    .filter((field) => compared.direct[field] !== compared.through[field] && !known.has(field))
    .map((field) => `${field}: ${compared.direct[field]} there, ${compared.through[field]} here`);
}

export function see(question: Question, answer: HttpAnswer | undefined): Seen {
  if (answer === undefined) {
    return { status: 0, digest: undefined, type: undefined, length: undefined, range: undefined, body: '' };
  }
  const { status, headers } = answer;
  return {
    status,
    digest: text(headers['docker-content-digest']),
    type: text(headers['content-type'])?.split(';')[0],
    length: headers['content-length'],
    range: text(headers['content-range']),
    body: bodyOf(question, answer),
  };
}

function bodyOf(question: Question, answer: HttpAnswer): string {
  if (answer.status >= 400) return '';
  if (!answer.complete) return 'broken off';
  if (isList(question) && answer.status === 200) {
    const { tags, manifests } = json(answer) as { tags?: string[]; manifests?: { digest: string }[] };
    return [...(tags ?? manifests?.map(({ digest }) => digest) ?? [])].sort().join(' ');
  }
  return createHash('sha256').update(answer.body).digest('hex');
}

function text(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === 'object' ? value.join(', ') : value;
}
