/**
 * Credentials for a token of another identity provider, such as that of a Kubernetes service account: AssumeRoleWithWebIdentity of STS.
 * https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
 */
import type { Exchanges } from '../../exchange.ts';
import type { StoreSecrets } from '../../store-secrets.ts';
import { readExpiry, type Temporary } from '../../temporary.ts';
import { readXml } from '../../xml.ts';
import { refusalOf } from '../s3-refusal.ts';
import type { AccessKey } from '../signature.ts';

export interface WebIdentity {
  /** It rotates: read for each request. */
  readonly tokenFile: string;
  readonly roleArn: string;
  readonly sessionName: string;
  readonly endpoint: string;
}

export interface WebIdentityDeps {
  readonly secrets: StoreSecrets;
  readonly exchanges: Exchanges;
  /** Epoch ms. */
  now(): number;
}

/** Rejects StoreError. */
export function fetchWebIdentity(
  identity: WebIdentity,
  deps: WebIdentityDeps,
): () => Promise<Temporary<AccessKey>> {
  const { secrets, exchanges } = deps;

  return async () => {
    const url = new URL(identity.endpoint);
    const form = new URLSearchParams({
      Action: 'AssumeRoleWithWebIdentity',
      Version: '2011-06-15',
      RoleArn: identity.roleArn,
      RoleSessionName: identity.sessionName,
      WebIdentityToken: secrets.get(identity.tokenFile),
    });
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const request = { method: 'POST', headers, body: form.toString() } as const;
    const response = await exchanges.send(url, request, { wanted: 'credentials' });
    const body = await exchanges.read(response);
    const document = readXml(body);
    if (response.status !== 200) {
      const code = document?.child('Error')?.text('Code');
      if (response.status < 500 && code !== undefined) {
        throw exchanges.error(
          'refused',
          `${url.host} gives no credentials for ${identity.roleArn} (${code.slice(0, 60)})`,
        );
      }
      throw refusalOf(response, body, exchanges, { region: '', now: deps.now() }).error;
    }
    const given = document?.child('AssumeRoleWithWebIdentityResult')?.child('Credentials');
    const accessKey = given?.text('AccessKeyId');
    const secretKey = given?.text('SecretAccessKey');
    if (!given || accessKey === undefined || secretKey === undefined) {
      throw exchanges.error('invalid', `${url.host} answered with something that is no answer of STS`);
    }
    const expires = readExpiry(given.text('Expiration'), url.host, exchanges);
    const value = { accessKey, secretKey, sessionToken: given.text('SessionToken') };
    return { value, expires };
  };
}
