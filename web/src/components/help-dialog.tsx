import { useEffect, useRef } from "react";
import { HELP } from "../lib/keys";

export function HelpDialog({ open, onClose }: { open: boolean; onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (open && !dialog.current?.open) dialog.current?.showModal();
    if (!open) dialog.current?.close();
  }, [open]);
  return (
    <dialog ref={dialog} onClose={onClose} onClick={(e) => e.target === dialog.current && onClose()} aria-labelledby="help-title" data-testid="help">
      <div className="row">
        <h1 id="help-title" className="grow">Keyboard</h1>
        <button onClick={onClose}>Close</button>
      </div>
      <div className="keys">
        {HELP.map((group) => (
          <section key={group.title}>
            <h3>{group.title}</h3>
            <dl style={{ margin: 0 }}>
              {group.keys.map(([key, what]) => (
                <div key={key + what} style={{ display: "contents" }}>
                  <dt><kbd>{key}</kbd></dt>
                  <dd>{what}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </dialog>
  );
}
