import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.nio.charset.StandardCharsets;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSocket;

/**
 * A platform that speaks through JSSE: requires a client certificate, and acknowledges each message with CA.
 *
 * <p>Arguments: key store (PKCS #12), its password, trust anchors (PEM). It writes where it listens, and ends
 * when stdin does.
 */
public final class JssePlatform {
    private JssePlatform() {}

    public static void main(String[] arguments) throws Exception {
        Thread end = new Thread(JssePlatform::endWithStdin, "end");
        end.setDaemon(true);
        end.start();
        SSLContext context = JsseDevice.context(arguments[0], arguments[1].toCharArray(), arguments[2]);
        InetAddress loopback = InetAddress.getByName("127.0.0.1");
        SSLServerSocket listener =
                (SSLServerSocket) context.getServerSocketFactory().createServerSocket(0, 8, loopback);
        listener.setEnabledProtocols(new String[] {"TLSv1.2", "TLSv1.3"});
        listener.setEnabledCipherSuites(listener.getSupportedCipherSuites());
        listener.setNeedClientAuth(true);
        System.out.println("listening 127.0.0.1:" + listener.getLocalPort());
        while (true) {
            try (SSLSocket socket = (SSLSocket) listener.accept()) {
                socket.setTcpNoDelay(true);
                answer(socket);
            } catch (IOException refused) {
                System.out.println(refused);
            }
        }
    }

    private static void endWithStdin() {
        try {
            while (System.in.read() >= 0) {
                // What comes means nothing.
            }
        } catch (IOException closed) {
            System.out.println(closed);
        }
        System.exit(0);
    }

    private static void answer(SSLSocket socket) throws IOException {
        InputStream input = socket.getInputStream();
        StringBuilder frame = new StringBuilder();
        for (int next = input.read(); next >= 0; next = input.read()) {
            frame.append((char) next);
            if (next == '\r' && frame.length() > 1 && frame.charAt(frame.length() - 2) == 0x1C) {
                String id = frame.toString().split("\\|", -1)[9];
                String header = "MSH|^~\\&|JSSE||||20260101120000||ACK^R01^ACK|A" + id + "|P|2.6\r";
                String answer = "\u000B" + header + "MSA|CA|" + id + "\r\u001C\r";
                socket.getOutputStream().write(answer.getBytes(StandardCharsets.US_ASCII));
                socket.getOutputStream().flush();
                frame.setLength(0);
            }
        }
    }
}
