// Calls to the admin's nodes. They share a database, so one that says yes is enough; they are tried in the order given.
import { StoreUnavailableError } from "../../core/errors.ts";
import {
  adminUrl,
  type CallbackForm,
  callbackBody,
  otherForm,
  type RunReport,
} from "../../protocol/xxl-job/reports.ts";
import { appnameHeader, codes, contentType, parseAnswer, tokenHeader } from "../../protocol/xxl-job/wire.ts";

export interface AdminSettings {
  readonly admins: readonly string[];
  readonly appname: string;
  readonly accessToken: string;
  readonly timeoutMs: number;
}

type Reply = { readonly kind: "yes" } | { readonly kind: "no" | "silent"; readonly why: string };

/** Of an answer, in characters; what an admin says is short. */
const maxAnswerChars = 65_536;
const maxShownChars = 300;

export class Admins {
  readonly #settings: AdminSettings;
  /** By admin: the form of the last callback that it took. */
  readonly #forms = new Map<string, CallbackForm>();

  constructor(settings: AdminSettings) {
    this.#settings = settings;
  }

  /** Throws STORE_UNAVAILABLE, with what each said, when none says yes. */
  async post(method: "registry" | "registryRemove", body: string): Promise<void> {
    await this.#firstYes((admin) => this.#send(admin, method, body));
  }

  /** Resolves when an admin has acknowledged all of them. `form`: what is tried first where nothing is known of an admin. */
  async report(reports: readonly RunReport[], form: CallbackForm): Promise<void> {
    await this.#firstYes(async (admin) => {
      const first = this.#forms.get(admin) ?? form;
      const reply = await this.#reportAs(admin, reports, first);
      // Either form is a parse error where the other is wanted: nothing was taken.
      return reply.kind === "no" ? this.#reportAs(admin, reports, otherForm(first), reply.why) : reply;
    });
  }

  async #reportAs(admin: string, reports: readonly RunReport[], form: CallbackForm, before?: string): Promise<Reply> {
    const reply = await this.#send(admin, "callback", callbackBody(reports, form));
    if (reply.kind === "yes") this.#forms.set(admin, form);
    return reply.kind === "yes" || before === undefined
      ? reply
      : { ...reply, why: `${before}; as ${form}: ${reply.why}` };
  }

  async #firstYes(ask: (admin: string) => Promise<Reply>): Promise<void> {
    const faults: string[] = [];
    for (const admin of this.#settings.admins) {
      const reply = await ask(admin);
      if (reply.kind === "yes") return;
      faults.push(`${admin}: ${reply.why}`);
    }
    throw new StoreUnavailableError(`Expected an XXL-JOB admin to answer with code 200, found: ${faults.join(" | ")}`, {
      admins: this.#settings.admins,
    });
  }

  async #send(admin: string, method: Parameters<typeof adminUrl>[1], body: string): Promise<Reply> {
    const { appname, accessToken, timeoutMs } = this.#settings;
    try {
      const response = await fetch(adminUrl(admin, method), {
        method: "POST",
        headers: { "content-type": contentType, [appnameHeader]: appname, ...tokenOf(accessToken) },
        body,
        // A token must not follow to wherever somebody points.
        redirect: "error",
        signal: AbortSignal.timeout(timeoutMs),
      });
      const text = (await response.text()).slice(0, maxAnswerChars);
      const answer = parseAnswer(text);
      if (response.ok && answer?.code === codes.ok) return { kind: "yes" };
      if (response.ok && answer !== null) return { kind: "no", why: `code ${answer.code}, ${shown(answer.msg)}` };
      const hint = response.status === 404 ? " (the path is /xxl-job-admin up to 3.4.0, and empty from 3.4.1 on)" : "";
      return { kind: "silent", why: `HTTP ${response.status}${hint}, ${shown(text)}` };
    } catch (error) {
      return { kind: "silent", why: shown(messageOf(error)) };
    }
  }
}

function tokenOf(accessToken: string): Readonly<Record<string, string>> {
  return accessToken === "" ? {} : { [tokenHeader]: accessToken };
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, maxShownChars));
}

/** `fetch failed` alone says nothing; its cause does. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
