// Keeps the executor in the admin's list: at once, then every heartbeat. The admin forgets who is silent for 90 s.
import type { Clock, Log } from "../../core/ports.ts";
import { registryBody } from "../../protocol/xxl-job/reports.ts";
import type { Admins } from "./admins.ts";
import { pause } from "./perform-job.ts";

export interface RegistrationTools {
  readonly admins: Admins;
  readonly appname: string;
  /** The very same text each time: the admin compares it. */
  readonly address: string;
  readonly heartbeatMs: number;
  readonly clock: Clock;
  readonly log: Log;
}

/** After a failure, so that an admin that starts later is found soon. */
const retryMs = 3_000;

export class Registration {
  readonly #tools: RegistrationTools;
  readonly #body: string;
  #isKnown: boolean | null = null;

  constructor(tools: RegistrationTools) {
    this.#tools = tools;
    this.#body = registryBody(tools.appname, tools.address);
  }

  /** Until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, heartbeatMs } = this.#tools;
    while (!signal.aborted) {
      await this.#renew();
      await pause(clock, this.#isKnown === true ? heartbeatMs : Math.min(retryMs, heartbeatMs), [signal]);
    }
  }

  async #renew(): Promise<void> {
    const { admins, log, address, appname } = this.#tools;
    try {
      await admins.post("registry", this.#body);
      if (this.#isKnown !== true) log.info({ address, appname }, "registered with the XXL-JOB admin");
      this.#isKnown = true;
    } catch (error) {
      // Once for each time that it fails after it went well, not for each attempt.
      if (this.#isKnown !== false)
        log.warn({ err: error, address, appname }, "not registered with the XXL-JOB admin; trying again");
      this.#isKnown = false;
    }
  }

  /** The admin stops choosing this executor within 30 s. */
  async remove(): Promise<void> {
    try {
      await this.#tools.admins.post("registryRemove", this.#body);
    } catch (error) {
      this.#tools.log.warn({ err: error }, "not removed from the XXL-JOB admin; it forgets this executor after 90 s");
    }
  }
}
