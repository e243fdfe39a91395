/**
 * What lets a request in at Azure Blob Storage:
 *
 *   account key   each request is signed with it (Shared Key); it signs URLs for clients too
 *   SAS           the query of a shared access signature, which an administrator has made, is put behind each URL
 *   token         Microsoft Entra gives one for a workload identity
 *
 * https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
 */
import { createHmac } from 'node:crypto';
import type { Credentials } from '../credentials.ts';
import type { StoreRequest } from '../transport.ts';

export type AzureSecret =
  | { readonly kind: 'key'; readonly key: string }
  | { readonly kind: 'sas'; readonly sas: string }
  | { readonly kind: 'token'; readonly token: string };

export type AzureCredentials = Credentials<AzureSecret>;

/** Of the API, in each request. */
export const azureVersion = '2021-12-02';

/** The request as it is sent. `time`: epoch ms. The query of `url` has no key twice. */
export function authorized(
  url: URL,
  request: StoreRequest,
  {
    account,
    secret,
    time,
  }: { readonly account: string; readonly secret: AzureSecret; readonly time: number },
): { readonly url: URL; readonly request: StoreRequest } {
  const dated = { 'x-ms-date': new Date(time).toUTCString(), 'x-ms-version': azureVersion };
  const headers: Record<string, string> = { ...request.headers, ...dated };
  if (secret.kind === 'sas') {
    const signed = new URL(url);
    const sas = secret.sas.replace(/^\?/, '');
    signed.search = url.search === '' ? sas : `${url.search}&${sas}`;
    return { url: signed, request: { ...request, headers } };
  }
  headers.authorization =
    secret.kind === 'token'
      ? `Bearer ${secret.token}`
      : `SharedKey ${account}:${sign(secret.key, textToSign(url, { ...request, headers }, account))}`;
  return { url, request: { ...request, headers } };
}

/** The URL of a blob with a service SAS for reading, until `until` (epoch ms). `path`: `container/blob`. */
export function readableUrl(
  url: URL,
  path: string,
  { account, key, until }: { readonly account: string; readonly key: string; readonly until: number },
): string {
  const expiry = new Date(until).toISOString().replace(/\.\d{3}/, '');
  const fields = [
    'r',
    '',
    expiry,
    `/blob/${account}/${path}`,
    '',
    '',
    '',
    azureVersion,
    'b',
    '',
    '',
    '',
    '',
    '',
    '',
    '',
  ];
  const sas = { sv: azureVersion, sr: 'b', sp: 'r', se: expiry, sig: sign(key, fields.join('\n')) };
  return `${url.href}?${new URLSearchParams(sas)}`;
}

function sign(key: string, text: string): string {
  return createHmac('sha256', Buffer.from(key, 'base64')).update(text).digest('base64');
}

const plainHeaders = [
  'content-encoding',
  'content-language',
  'content-length',
  'content-md5',
  'content-type',
  'date',
  'if-modified-since',
  'if-match',
  'if-none-match',
  'if-unmodified-since',
  'range',
];

function textToSign(url: URL, { method, headers, body }: StoreRequest, account: string): string {
  const length = body === undefined || body.length === 0 ? '' : String(Buffer.byteLength(body));
  const all: Readonly<Record<string, string>> = { ...headers, 'content-length': length };
  const own = Object.keys(headers)
    .filter((name) => name.startsWith('x-ms-'))
    .sort()
    .map((name) => `${name}:${headers[name]}\n`);
  const query = [...url.searchParams].map(([name, value]) => `\n${name.toLowerCase()}:${value}`).sort();
  const resource = `/${account}${url.pathname}${query.join('')}`;
  return [method, ...plainHeaders.map((name) => all[name] ?? ''), `${own.join('')}${resource}`].join('\n');
}
