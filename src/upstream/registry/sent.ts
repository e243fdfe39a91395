/** The innermost layer: one HTTP exchange. What keeps an answer from coming becomes an outcome. */
import type { HttpResponse } from '../http/exchange.ts';
import type { Schemes } from '../http/scheme.ts';
import type { Sender } from '../http/sender.ts';
import { outcomeOfFault, type TransportFault } from '../http/transport-fault.ts';
import { type Hop, type Send, whereOf } from './call.ts';

/** Faults of a host that may have changed from HTTPS to HTTP, or back. */
const mayHaveChanged: ReadonlySet<TransportFault['kind']> = new Set([
  'refused',
  'tls',
  'notTls',
  'closed',
  'broken',
]);

/** The `Authorization` of a hop stays with the registry it was got for. */
export function sent({ sender, schemes }: { sender: Sender; schemes: Schemes }): Send<Hop, HttpResponse> {
  return async ({ place, request, authorization, route, isAway }, context) => {
    const headers = {
      ...request.headers,
      ...(!isAway && authorization && { authorization: authorization.header }),
    };
    const { method, bulk } = request;
    const got = await sender.send(route, { method, headers }, { ...context, bulk });
    const where = whereOf(place, isAway, route.url);
    if (!got.ok) {
      if (where === '' && mayHaveChanged.has(got.fault.kind)) schemes.forget(place.endpoint);
      return outcomeOfFault(got.fault, where);
    }
    if (where === '') context.heard();
    return { kind: 'ok', value: got.response };
  };
}
