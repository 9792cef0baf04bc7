import { createConnection } from "node:net";
import { expect, it } from "vitest";
import { describeWithOwnRedis } from "./describe.ts";
import { startRedis } from "./redis.ts";

describeWithOwnRedis("a Redis of one's own", (server) => {
  it("acknowledges what is on disk, unless it is told otherwise", async () => {
    expect(await ask(server().url, "CONFIG GET append*")).toMatch(/appendonly\r\n\$3\r\nyes/);
    expect(await ask(server().url, "CONFIG GET appendfsync")).toContain("always");
    const relaxed = await startRedis({ settings: { appendfsync: "everysec" } });
    expect(await ask(relaxed.url, "CONFIG GET appendfsync")).toContain("everysec");
    await relaxed.close();
    await expect(ask(relaxed.url, "PING")).rejects.toThrow("ECONNREFUSED");
  });

  it("answers nobody without its password", async () => {
    const url = new URL(server().url);
    url.password = "wrong";
    expect(await ask(url.href, "PING")).toContain("NOAUTH");
  });
});

function ask(url: string, command: string): Promise<string> {
  const { port, password } = new URL(url);
  return new Promise((settle, reject) => {
    let answer = "";
    const socket = createConnection(Number(port), "127.0.0.1", () => socket.end(`AUTH ${password}\r\n${command}\r\n`));
    socket.on("data", (chunk) => {
      answer += String(chunk);
    });
    socket.on("error", reject);
    socket.on("close", () => settle(answer));
  });
}
