// What the flags of `limen install`, `uninstall` and `manifest generate` may say. Apart from what they do, so that the command line starts without
// loading them.

/** What is to be installed. */
export interface ConfigurationOptions {
  filename?: string[];
  set?: string[];
  namespace?: string;
}

export interface InstallOptions extends ConfigurationOptions {
  skipConfirmation?: boolean;
  dryRun?: boolean;
  /** Milliseconds. */
  readinessTimeout: number;
  home?: string;
}

export interface UninstallOptions extends ConfigurationOptions {
  purge?: boolean;
  skipConfirmation?: boolean;
  dryRun?: boolean;
  /** Milliseconds. */
  readinessTimeout: number;
  home?: string;
}
