// Scripts that executors run in place of a handler. Their types have XXL-JOB's names, since executors know them by these.

export const scriptTypes = [
  "GLUE_SHELL",
  "GLUE_PYTHON",
  "GLUE_PYTHON2",
  "GLUE_NODEJS",
  "GLUE_POWERSHELL",
  "GLUE_PHP",
  "GLUE_GROOVY",
] as const;
export type ScriptType = (typeof scriptTypes)[number];
