/** Keys of registries.conf that are no entries. No other format has them. */
import { authFilesHelper, type RegistriesConf } from '../registries-conf/registries.ts';
import type { RenderFormat, Warn } from './rendered.ts';

/** One warning for each key that says something. */
export function warnOfOtherKeys(conf: RegistriesConf, format: RenderFormat, warn: Warn): void {
  const isCluster = format === 'idms' || format === 'itms' || format === 'icsp';
  const shortNames = isCluster
    ? 'nodes keep the short names of their own registries.conf'
    : 'a name without a registry is one of docker.io there';
  const credentials = isCluster
    ? "nodes take credentials from the cluster's pull secret"
    : 'give the client its credentials in its own way';
  const search = isCluster
    ? 'write these registries into spec.registrySources.containerRuntimeSearchRegistries of Image "cluster"'
    : shortNames;
  if ((conf.unqualifiedSearchRegistries ?? []).length > 0) warn({}, 'unqualified-search-registries', search);
  if (conf.aliases.size > 0) warn({}, 'aliases', shortNames);
  if (conf.shortNameMode !== 'permissive') warn({}, 'short-name-mode', shortNames);
  if (conf.credentialHelpers.some((helper) => helper !== authFilesHelper)) {
    warn({}, 'credential-helpers', credentials);
  }
  if (conf.additionalLayerStoreAuthHelper !== '') {
    warn({}, 'additional-layer-store-auth-helper', 'the client has no such program');
  }
}
