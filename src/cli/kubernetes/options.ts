// What the flags of `limen apply|get|delete|logs` may say. Apart from what they do, so that the command line starts without loading it.

/** The values of `get -o`. */
export const GET_FORMATS = ['table', 'wide', 'yaml', 'json', 'name'] as const;

/** Flags that all of these commands have. */
export interface ApiOptions {
  namespace?: string;
  home?: string;
}

export interface GetOptions extends ApiOptions {
  allNamespaces?: boolean;
  selector?: string;
  output: (typeof GET_FORMATS)[number];
}

export interface ApplyOptions extends ApiOptions {
  filename: string[];
  forceConflicts?: boolean;
  dryRun?: boolean;
}

export interface DeleteOptions extends ApiOptions {
  filename?: string[];
  ignoreNotFound?: boolean;
}

export interface LogsOptions extends ApiOptions {
  container?: string;
  follow?: boolean;
  previous?: boolean;
  timestamps?: boolean;
  tail?: number;
}

/** Where objects are when nothing says otherwise, as in kubectl. */
export const DEFAULT_NAMESPACE = 'default';
