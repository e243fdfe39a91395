/** Where a client goes on, or finds what it pushed: below the name that it used, with its `ns`. Clients append a query with `&`. */
export function locationOf(
  { name, namespace }: { readonly name: string; readonly namespace: string | undefined },
  rest: string,
): string {
  const path = `/v2/${name.split('/').map(encodeURIComponent).join('/')}/${rest}`;
  return namespace === undefined ? path : `${path}?ns=${encodeURIComponent(namespace)}`;
}
