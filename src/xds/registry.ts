// Every generated message type, by name: what turns an Any into JSON and back. Importing this file loads all of them (tens of
// milliseconds), so the paths that serve traffic do not: admin and command line import it, and json.ts, when they need it.

import { createRegistry, type Registry } from '@bufbuild/protobuf';
import {
  file_google_protobuf_any,
  file_google_protobuf_duration,
  file_google_protobuf_empty,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
} from '@bufbuild/protobuf/wkt';
import { files } from './gen/files.js';

/** Google's own types that may stand in an Any (an Envoy extension configured with a Struct, say). */
const GOOGLE_FILES = [
  file_google_protobuf_any,
  file_google_protobuf_duration,
  file_google_protobuf_empty,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
];

let registry: Registry | undefined;

/** The registry of all generated files. Built at the first call. */
export function typeRegistry(): Registry {
  registry ??= createRegistry(...GOOGLE_FILES, ...files);
  return registry;
}
