/**
 * Credentials that the surroundings of the process give: of an ECS task or an EKS pod (a container endpoint), or of the instance (EC2,
 * IMDSv2 with its session token). Version 1 of the instance service is not asked.
 */
import { isJsonObject, parseJson } from '../../../oci/parse-json.ts';
import type { Exchanges } from '../../exchange.ts';
import type { StoreSecrets } from '../../store-secrets.ts';
import { readExpiry, type Temporary } from '../../temporary.ts';
import type { StoreRequest } from '../../transport.ts';
import type { AccessKey } from '../signature.ts';

export interface MetadataDeps {
  readonly exchanges: Exchanges;
  readonly secrets: StoreSecrets;
}

export interface ContainerEndpoint {
  readonly url: string;
  /** Value of `Authorization`, or a file with it, which rotates. */
  readonly token: string | undefined;
  readonly tokenFile: string | undefined;
}

/** Seconds that the session token of IMDSv2 is valid: it is used at once. */
const sessionSeconds = '60';
const rolePath = '/latest/meta-data/iam/security-credentials/';

/** Rejects StoreError. */
export function fetchFromContainer(
  endpoint: ContainerEndpoint,
  deps: MetadataDeps,
): () => Promise<Temporary<AccessKey>> {
  return async () => {
    const { token, tokenFile } = endpoint;
    const authorization = tokenFile === undefined ? token : deps.secrets.get(tokenFile);
    const headers = authorization === undefined ? {} : { authorization };
    const text = await ask(new URL(endpoint.url), { method: 'GET', headers }, deps);
    return keyOf(text, new URL(endpoint.url), deps);
  };
}

/** `origin`: of the instance service. Rejects StoreError. */
export function fetchFromInstance(origin: string, deps: MetadataDeps): () => Promise<Temporary<AccessKey>> {
  return async () => {
    const ttl = { 'x-aws-ec2-metadata-token-ttl-seconds': sessionSeconds };
    const session = await ask(new URL('/latest/api/token', origin), { method: 'PUT', headers: ttl }, deps);
    const headers = { 'x-aws-ec2-metadata-token': session.toString('latin1').trim() };
    const roles = await ask(new URL(rolePath, origin), { method: 'GET', headers }, deps);
    const [role = ''] = roles.toString('utf8').trim().split('\n');
    if (!/^[\w+=,.@-]{1,128}$/.test(role)) throw deps.exchanges.error('refused', 'the instance has no role');
    const url = new URL(`${rolePath}${role}`, origin);
    return keyOf(await ask(url, { method: 'GET', headers }, deps), url, deps);
  };
}

async function ask(url: URL, request: StoreRequest, { exchanges }: MetadataDeps): Promise<Buffer> {
  const response = await exchanges.send(url, request, { wanted: 'credentials' });
  const body = await exchanges.read(response);
  if (response.status === 200) return body;
  const kind = response.status >= 500 ? 'unreachable' : 'refused';
  throw exchanges.error(kind, `${url.host} gives no credentials (HTTP ${response.status})`);
}

/** Both services answer in the same form. */
function keyOf(text: Buffer, { host }: URL, { exchanges }: MetadataDeps): Temporary<AccessKey> {
  const parsed = parseJson(text);
  const given = parsed.ok && isJsonObject(parsed.value) ? parsed.value : {};
  const field = (name: string) => {
    const value = given[name];
    return typeof value === 'string' && value !== '' ? value : undefined;
  };
  const accessKey = field('AccessKeyId');
  const secretKey = field('SecretAccessKey');
  if (accessKey === undefined || secretKey === undefined) {
    throw exchanges.error('invalid', `what ${host} gave holds no credentials`);
  }
  const expires = readExpiry(field('Expiration'), host, exchanges);
  return { value: { accessKey, secretKey, sessionToken: field('Token') }, expires };
}
