// What an executor sends to an admin: that it is there, that it goes, and how runs ended.

/** `registryKey`: the appname. `registryValue`: the address, compared by the admin as a text. */
export function registryBody(appname: string, address: string): string {
  return JSON.stringify({ registryGroup: "EXECUTOR", registryKey: appname, registryValue: address });
}

export interface RunReport {
  readonly logId: number;
  /** As the trigger said, epoch ms. */
  readonly logDateTime: number;
  /** One of `codes`. */
  readonly code: number;
  readonly message: string;
}

/** The admin keeps 15,000 characters; Java executors cut here. */
const maxMessageChars = 50_000;

/**
 * G2 and G3 take an array, G4 an object, and each refuses the other form with a parse error. Items carry both spellings of
 * the time.
 */
export type CallbackForm = "array" | "object";

export function callbackBody(reports: readonly RunReport[], form: CallbackForm): string {
  const items = reports.map(({ logId, logDateTime, code, message }) => ({
    logId,
    logDateTim: logDateTime,
    logDateTime,
    handleCode: code,
    handleMsg: message.length > maxMessageChars ? `${message.slice(0, maxMessageChars)}...` : message,
  }));
  return JSON.stringify(form === "array" ? items : { callbackList: items });
}

export const otherForm = (form: CallbackForm): CallbackForm => (form === "array" ? "object" : "array");

/** An admin's root, such as `http://host/xxl-job-admin` (to 3.4.0) or `http://host` (from 3.4.1), with a method behind it. */
export function adminUrl(root: string, method: "registry" | "registryRemove" | "callback"): string {
  return `${root.replace(/\/+$/, "")}/api/${method}`;
}
