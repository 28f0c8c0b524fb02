// What an API server answers when it refuses: Status objects, as errors that handlers throw. Texts and reasons are kube-apiserver's.
// https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/

/** One field that is wrong, in `details.causes`. */
export interface StatusCause {
  /** `FieldValueInvalid`, `FieldValueRequired`, … */
  reason: string;
  message: string;
  /** `spec.http[0].route` */
  field?: string;
}

/** What the answer is about. kubectl makes its messages of it. */
export interface StatusDetails {
  name?: string;
  group?: string;
  /** The plural of the resource, or the kind (of `Invalid`). */
  kind?: string;
  uid?: string;
  causes?: readonly StatusCause[];
  retryAfterSeconds?: number;
}

/** A Status object. */
export interface Status {
  kind: 'Status';
  apiVersion: 'v1';
  metadata: Record<string, never>;
  status: 'Success' | 'Failure';
  message?: string;
  reason?: string;
  details?: StatusDetails;
  code: number;
}

/** A request that is refused; `status` is what it is answered with. */
export class ApiError extends Error {
  override name = 'ApiError';
  readonly status: Status;
  /** Headers of the answer besides those every answer has. */
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    code: number,
    reason: string,
    message: string,
    details?: StatusDetails,
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
    this.status = {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message,
      reason,
      ...(details === undefined ? {} : { details }),
      code,
    };
    this.headers = headers;
  }
}

/** Group and plural of a resource, for messages. */
export interface ResourceName {
  group: string;
  plural: string;
}

/** `virtualservices.networking.istio.io`, `pods` */
function qualified({ group, plural }: ResourceName): string {
  return group === '' ? plural : `${plural}.${group}`;
}

const detailsOf = ({ group, plural }: ResourceName, name: string): StatusDetails => ({
  ...(name === '' ? {} : { name }),
  ...(group === '' ? {} : { group }),
  kind: plural,
});

/** @param causes the fields it is about, where it is about some */
export function badRequest(message: string, causes?: readonly StatusCause[]): ApiError {
  return new ApiError(400, 'BadRequest', message, causes === undefined ? undefined : { causes });
}

export function unauthorized(): ApiError {
  return new ApiError(401, 'Unauthorized', 'Unauthorized', undefined, { 'www-authenticate': 'Bearer' });
}

/** @param why what is not allowed, as a sentence */
export function forbidden(resource: ResourceName | undefined, name: string, why: string): ApiError {
  if (resource === undefined) return new ApiError(403, 'Forbidden', why, {});
  return new ApiError(
    403,
    'Forbidden',
    `${qualified(resource)}${name === '' ? '' : ` ${JSON.stringify(name)}`} is forbidden: ${why}`,
    detailsOf(resource, name),
  );
}

export function notFound(resource: ResourceName, name: string): ApiError {
  return new ApiError(
    404,
    'NotFound',
    `${qualified(resource)} ${JSON.stringify(name)} not found`,
    detailsOf(resource, name),
  );
}

/** There is nothing at this path. */
export function noSuchPath(): ApiError {
  return new ApiError(404, 'NotFound', 'the server could not find the requested resource', {});
}

/** There is no such kind, or not in this version. @param info what the path names */
export function noSuchResource({
  group,
  version,
  resource,
}: {
  group: string;
  version: string;
  resource: string;
}): ApiError {
  const groupVersion = group === '' ? version : `${group}/${version}`;
  return new ApiError(
    404,
    'NotFound',
    `the server could not find the requested resource: there are no ${resource} in ${groupVersion} here (kubectl api-resources lists what there is)`,
    {},
  );
}

export function methodNotAllowed(): ApiError {
  return new ApiError(405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource', {});
}

export function notAcceptable(supported: readonly string[]): ApiError {
  return new ApiError(406, 'NotAcceptable', `only the following media types are accepted: ${supported.join(', ')}`);
}

export function alreadyExists(resource: ResourceName, name: string): ApiError {
  return new ApiError(
    409,
    'AlreadyExists',
    `${qualified(resource)} ${JSON.stringify(name)} already exists`,
    detailsOf(resource, name),
  );
}

/** @param why why now is not the time; what to do */
export function conflict(resource: ResourceName, name: string, why: string, causes?: readonly StatusCause[]): ApiError {
  return new ApiError(
    409,
    'Conflict',
    `Operation cannot be fulfilled on ${qualified(resource)} ${JSON.stringify(name)}: ${why}`,
    { ...detailsOf(resource, name), ...(causes === undefined ? {} : { causes }) },
  );
}

export const MODIFIED = 'the object has been modified; please apply your changes to the latest version and try again';

/** A resourceVersion that is no longer remembered. */
export function expired(message: string): ApiError {
  return new ApiError(410, 'Expired', message);
}

export function tooLarge(limit: number): ApiError {
  return new ApiError(413, 'RequestEntityTooLarge', `Request entity too large: limit is ${limit}`);
}

export function unsupportedMediaType(type: string, supported: readonly string[]): ApiError {
  return new ApiError(
    415,
    'UnsupportedMediaType',
    `the body of the request was in an unknown format - accepted media types include: ${supported.join(', ')}${
      type === '' ? '' : ` (it was ${JSON.stringify(type)})`
    }`,
  );
}

/**
 * An object that is not valid. kubectl prints `The KIND "NAME" is invalid: FIELD: MESSAGE` from it.
 *
 * @param causes at least one
 */
export function invalid(
  { group, kind }: { group: string; kind: string },
  name: string,
  causes: readonly StatusCause[],
): ApiError {
  const texts = causes.map(({ field, message }) => (field === undefined ? message : `${field}: ${message}`));
  const text = texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`;
  const qualifiedKind = group === '' ? kind : `${kind}.${group}`;
  return new ApiError(422, 'Invalid', `${qualifiedKind} ${JSON.stringify(name)} is invalid: ${text}`, {
    ...(name === '' ? {} : { name }),
    ...(group === '' ? {} : { group }),
    kind,
    causes,
  });
}

/** The state of the server does not let it now; the client may try again. */
export function unavailable(message: string): ApiError {
  return new ApiError(503, 'ServiceUnavailable', message, { retryAfterSeconds: 1 }, { 'retry-after': '1' });
}

/** A mistake of ours. What it was is in the log, not in the answer. */
export function internalError(): ApiError {
  return new ApiError(500, 'InternalError', 'Internal error occurred: see the log of limen up');
}

/** What a successful deletion is answered with. */
export function success(resource: ResourceName, name: string, uid: string | undefined): Status {
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    details: { ...detailsOf(resource, name), ...(uid === undefined ? {} : { uid }) },
    code: 200,
  };
}
