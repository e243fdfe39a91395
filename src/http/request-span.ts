/** What the span of a request to the distribution API says, with the names of OpenTelemetry's conventions for HTTP servers. */
import type { OpenSpan } from '../telemetry/tracing/tracer.ts';
import type { HandledRequest } from './handled-request.ts';

/** Routes as the OCI distribution specification writes them: the number of names stays small. */
const routes = {
  manifest: '/v2/{name}/manifests/{reference}',
  blob: '/v2/{name}/blobs/{digest}',
  tags: '/v2/{name}/tags/list',
  referrers: '/v2/{name}/referrers/{digest}',
  upload: '/v2/{name}/blobs/uploads/{reference}',
} as const;

/** Names the span by its route; a 5xx, and an answer that broke off on our side, fail it. */
export function describeRequest(
  span: OpenSpan,
  method: string,
  { requestId, answer, target, principal, sent }: HandledRequest,
): void {
  const route = target ? routes[target.kind] : '/v2/';
  span.rename(`${method} ${route}`);
  span.set({
    'http.route': route,
    'http.response.status_code': answer.status,
    'http.response.body.size': sent.bytes,
    'entrepot.request_id': requestId,
    'entrepot.image': target?.image.name,
    'entrepot.principal': principal?.name,
    'entrepot.cache': answer.cache,
    'entrepot.endpoint': answer.endpoint,
  });
  if (answer.status >= 500) span.fail(answer.summary ?? `HTTP ${answer.status}`);
  else if (sent.end === 'failed') span.fail('the answer broke off');
}
