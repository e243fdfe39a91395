/** Gives a fake registry the manners of a personality: rules that change its answers, one for each kind of request. */

import { collect } from '../byte-source.ts';
import type { FakeRegistry } from '../fake-registry.ts';
import type { Answer } from '../fake-registry-content.ts';
import { jsonAnswer } from '../fake-registry-content.ts';
import {
  endShort,
  type Fault,
  hangUp,
  ignoreRange,
  noContentLength,
  redirect,
} from '../fake-registry-faults.ts';
import type { SeenRequest } from '../fake-registry-journal.ts';
import { refusal } from './access.ts';
import { fallbackTag, sharedLayer } from './content.ts';
import type { BlobStyle, Personality, Refusal, TagListStyle } from './personality.ts';

/** `storage` has every blob as a file under `/bucket/DIGEST`, and so has the registry under `/cdn/DIGEST`. */
export function shapeAnswers(
  registry: FakeRegistry,
  personality: Personality,
  storage: FakeRegistry | undefined,
): void {
  const { manifests = {}, blobs = {}, tags = {} } = personality;
  const own: Fault = { answer: (answer, request) => personality.answer?.(answer, request) ?? answer };

  registry.on(
    { kind: 'manifest', method: 'HEAD' },
    ...headFaults(manifests.head),
    {
      answer: (answer) => (manifests.digestHeader === 'getOnly' ? without(answer, digestHeader) : answer),
    },
    ...manifestFaults(personality),
    own,
  );
  registry.on({ kind: 'manifest' }, ...manifestFaults(personality), own);

  if (blobs.cutOnce !== undefined) {
    const large = { method: 'GET', path: new RegExp(sharedLayer.digest), times: 1 };
    (storage ?? registry).on(large, endShort(blobs.cutOnce), ...(storage ? [] : [own]));
  }
  const cached = new Set<string>();
  const remember: Fault = {
    answer(answer, request) {
      if (request.method === 'GET' && answer.status < 400) cached.add(request.digest ?? '');
      return answer;
    },
  };
  const isNew = (request: SeenRequest) => !cached.has(request.digest ?? '');
  if (blobs.uncachedHead !== undefined) {
    registry.on({ kind: 'blob', method: 'HEAD', when: isNew }, ...headFaults(blobs.uncachedHead), own);
  }
  registry.on(
    { kind: 'blob', method: 'HEAD' },
    ...headFaults(blobs.head),
    ...blobFaults(blobs, storage),
    own,
  );
  if (blobs.ranges === 'ignoredUntilCached') {
    registry.on({ kind: 'blob', when: isNew }, ignoreRange(), ...blobFaults(blobs, storage), remember, own);
  }
  registry.on({ kind: 'blob' }, ...blobFaults(blobs, storage), remember, own);
  registry.on({ kind: 'tags' }, tagListFault(tags, registry, personality.referrers === 'subject'), own);
  registry.on({}, own);
}

const digestHeader = ['docker-content-digest', 'etag'];

function headFaults(head: Refusal | 'hangUp' | undefined): readonly Fault[] {
  if (head === undefined) return [];
  return head === 'hangUp' ? [hangUp()] : [{ answer: (answer) => refusal(head) ?? answer }];
}

function manifestFaults({ manifests = {} }: Personality): readonly Fault[] {
  return [
    { answer: (answer) => (manifests.digestHeader === 'never' ? without(answer, digestHeader) : answer) },
    ...(manifests.chunked ? [noContentLength()] : []),
  ];
}

function blobFaults(blobs: BlobStyle, storage: FakeRegistry | undefined): readonly Fault[] {
  const faults: Fault[] = [{ answer: (answer) => (answer.status < 400 ? styled(answer, blobs) : answer) }];
  if (blobs.chunked) faults.push(noContentLength());
  const { redirect: away } = blobs;
  if (away === undefined) return faults;
  const send = redirect(
    ({ digest }) => (away.to === 'storage' ? signedUrl(storage, digest ?? '') : `/cdn/${digest}`),
    away.status,
  );
  return [{ answer: (answer, request) => (answer.status < 400 ? send.answer!(answer, request) : answer) }];
}

function signedUrl(storage: FakeRegistry | undefined, digest: string): string {
  return `${storage?.url}/bucket/${digest}?X-Amz-Expires=600&X-Amz-Signature=0a1b2c`;
}

function styled(answer: Answer, { digestHeader: told, contentType, ranges }: BlobStyle): Answer {
  const named = told === false ? without(answer, digestHeader) : answer;
  const headers = { ...named.headers, ...(contentType !== undefined && { 'content-type': contentType }) };
  return { ...named, headers, status: ranges === 'marked200' && named.status === 206 ? 200 : named.status };
}

function tagListFault(style: TagListStyle, registry: FakeRegistry, hidesFallback: boolean): Fault {
  return {
    answer(answer) {
      if (answer.status !== 200) return answer;
      const list = JSON.parse(collect(answer.body).toString()) as { tags: string[] };
      const tags = hidesFallback ? list.tags.filter((tag) => tag !== fallbackTag) : list.tags;
      const next = /<([^>]+)>/.exec(String(answer.headers.link ?? ''))?.[1];
      const link = next === undefined ? undefined : linkOf(style, next, registry);
      return jsonAnswer(200, { ...list, tags, ...style.more }, link === undefined ? {} : { link });
    },
  };
}

function linkOf(style: TagListStyle, next: string, registry: FakeRegistry) {
  const hostname = registry.host.split(':')[0];
  const target = {
    relative: next,
    absolute: `${registry.url}${next}`,
    otherHost: `https://registry.internal.invalid${next}`,
    withoutPort: `http://${hostname}${next}`,
    otherPath: `${registry.url}/repository/docker-proxy${next}`,
    none: undefined,
  }[style.link ?? 'relative'];
  return target === undefined ? undefined : `<${target}>; rel="next"`;
}

function without(answer: Answer, names: readonly string[]): Answer {
  const headers = Object.entries(answer.headers).filter(([name]) => !names.includes(name));
  return { ...answer, headers: Object.fromEntries(headers) };
}
