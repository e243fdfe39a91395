/**
 * A request about an upload that another replica began (`cluster/upload-home.ts`): it is passed on to that replica, for the same principal
 * and image, with its body as it comes. Of the answer only what is known is passed back, below the name that the client used.
 *
 *   201, 202, 204, 4xx, 5xx of a peer ..... the same
 *   no answer, or one that makes no sense . 404: the client begins a new upload
 */
import type { OutgoingHttpHeaders } from 'node:http';
import type { Peer } from '../../cluster/peer.ts';
import { peerHeader } from '../../cluster/peer-proof.ts';
import { foreignWords } from '../../lib/foreign-words.ts';
import { isJsonObject, parseJson } from '../../oci/parse-json.ts';
import type { Passed, PassedRequest, Upstream } from '../../upstream/upstream.ts';
import type { Answer } from '../answers/answer.ts';
import { locationOf } from './location.ts';
import type { PushRequest } from './push-api.ts';
import { homeGoneAnswer, pushFailureAnswer } from './push-failure.ts';

type Got = Extract<Passed, { ok: true }>;

/** Rejects with bugs alone. */
export async function passOnUpload(
  passOn: Upstream['passOn'],
  home: Peer,
  request: PushRequest,
): Promise<Answer> {
  const { body, headers, query, target } = request;
  const { registry, repository } = target.image;
  const id = target.kind === 'upload' ? target.id : undefined;
  const digest = query.get('digest');
  const wanted = new URLSearchParams({ ns: registry, ...(digest !== null && { digest }) });
  let hasClientLeft = false;
  const passed = await passOn(home, {
    method: request.method as PassedRequest['method'],
    path: `/v2/${repository}/blobs/uploads/${id}?${wanted}`,
    headers: {
      ...(body.length !== undefined && { 'content-length': String(body.length) }),
      ...(headers.contentType !== undefined && { 'content-type': headers.contentType }),
      ...(headers.contentRange !== undefined && { 'content-range': headers.contentRange }),
    },
    body:
      body.length === 0
        ? undefined
        : noting(body.bytes(), () => {
            hasClientLeft = true;
          }),
    owner: request.owner,
  });
  const endpoint = home.id;
  if (hasClientLeft) return { ...pushFailureAnswer({ kind: 'clientLeft' }), endpoint };
  const answer = passed.ok ? answerOf(passed, request, `${id}`) : homeGoneAnswer(passed.reason);
  return { ...answer, endpoint };
}

function answerOf(got: Got, request: PushRequest, id: string): Answer {
  const { status } = got;
  const text = (name: string): string | undefined => [got.headers[name]].flat().join() || undefined;
  if (text(peerHeader) === undefined)
    return homeGoneAnswer('it does not take this replica for a member of its cluster');
  if (status >= 400 && status < 600) return failureOf(got, request, id);
  const range = rangeOf(got);
  const headers: OutgoingHttpHeaders = { 'Content-Length': 0 };
  if (status === 201 && text('docker-content-digest') === request.query.get('digest')) {
    headers.Location = locationOf(request, `blobs/${text('docker-content-digest')}`);
    headers['Docker-Content-Digest'] = text('docker-content-digest');
    return { status, headers };
  }
  if (status === 204 && request.method === 'DELETE') return { status, headers: { 'Docker-Upload-UUID': id } };
  if ((status === 202 || status === 204) && range !== undefined)
    return { status, headers: { ...headers, ...sessionHeaders(request, id, range) } };
  return homeGoneAnswer(`its answer makes no sense (HTTP ${status})`);
}

function failureOf(got: Got, request: PushRequest, id: string): Answer {
  const { status, headers: given } = got;
  const errors = errorsIn(got.body);
  const range = rangeOf(got);
  const retryAfter = /^\d{1,6}$/.exec(String(given['retry-after']))?.[0];
  const body = Buffer.from(JSON.stringify({ errors }));
  const headers: OutgoingHttpHeaders = {
    'Content-Type': 'application/json',
    'Content-Length': body.length,
    ...(range !== undefined && sessionHeaders(request, id, range)),
    ...(retryAfter !== undefined && { 'Retry-After': retryAfter }),
  };
  return { status, headers, body, summary: errors[0]?.message };
}

function rangeOf({ headers: { range } }: Got): string | undefined {
  return typeof range === 'string' ? /^0-\d{1,15}$/.exec(range)?.[0] : undefined;
}

function sessionHeaders(request: PushRequest, id: string, range: string): OutgoingHttpHeaders {
  return {
    Location: locationOf(request, `blobs/uploads/${id}`),
    Range: range,
    'Docker-Upload-UUID': id,
  };
}

/** Errors that are passed back, and characters of a message. */
const maxErrors = 20;
const maxMessage = 500;

function errorsIn(bytes: Buffer): readonly { code: string; message: string; detail?: unknown }[] {
  const parsed = parseJson(bytes);
  const errors: unknown = parsed.ok && isJsonObject(parsed.value) ? parsed.value.errors : undefined;
  const found = (Array.isArray(errors) ? errors.slice(0, maxErrors) : []).flatMap((one: unknown) => {
    if (!isJsonObject(one) || typeof one.code !== 'string' || !/^[A-Z_]{1,40}$/.test(one.code)) return [];
    const message = foreignWords(String(one.message), { max: maxMessage });
    return [{ code: one.code, message, ...('detail' in one && { detail: one.detail }) }];
  });
  return found.length > 0 ? found : [{ code: 'UNKNOWN', message: 'the replica that has this upload failed' }];
}

/** `onBroken`: the body broke off, so the failure is not the peer's. */
async function* noting(body: AsyncIterable<Uint8Array>, onBroken: () => void): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (error) {
    onBroken();
    throw error;
  }
}
