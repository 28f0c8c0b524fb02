// Where a proxy gets a resource that another one names: over the stream it already has.

import { create } from '@bufbuild/protobuf';
import {
  AggregatedConfigSourceSchema,
  ApiVersion,
  type ConfigSource,
  ConfigSourceSchema,
} from '../xds/gen/envoy/config/core/v3/config_source_pb.js';
import { seconds } from './duration.ts';

/** ADS, waited for as long as it takes. */
export function adsConfigSource(): ConfigSource {
  return create(ConfigSourceSchema, {
    configSourceSpecifier: { case: 'ads', value: create(AggregatedConfigSourceSchema) },
    initialFetchTimeout: seconds(0),
    resourceApiVersion: ApiVersion.V3,
  });
}
