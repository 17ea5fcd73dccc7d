import java.io.DataInputStream;
import java.io.EOFException;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;

/**
 * A device that speaks through JSSE.
 *
 * <p>Arguments: key store (PKCS #12), its password, trust anchors (PEM), host, port, protocol, cipher suite.
 * From stdin it takes pieces, each behind four bytes of its length, and sends each in one call. What it
 * receives goes to stdout.
 */
public final class JsseDevice {
    private JsseDevice() {}

    public static void main(String[] arguments) throws Exception {
        SSLContext context = context(arguments[0], arguments[1].toCharArray(), arguments[2]);
        int port = Integer.parseInt(arguments[4]);
        try (SSLSocket socket = (SSLSocket) context.getSocketFactory().createSocket(arguments[3], port)) {
            socket.setTcpNoDelay(true);
            SSLParameters parameters = socket.getSSLParameters();
            parameters.setProtocols(new String[] {arguments[5]});
            parameters.setCipherSuites(new String[] {arguments[6]});
            parameters.setEndpointIdentificationAlgorithm("HTTPS");
            socket.setSSLParameters(parameters);
            socket.startHandshake();
            Thread sending = new Thread(() -> send(socket), "sending");
            sending.setDaemon(true);
            sending.start();
            receive(socket.getInputStream());
        }
    }

    static SSLContext context(String keyFile, char[] password, String anchors) throws Exception {
        KeyStore keys = KeyStore.getInstance("PKCS12");
        try (InputStream file = new FileInputStream(keyFile)) {
            keys.load(file, password);
        }
        KeyManagerFactory own = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        own.init(keys, password);

        KeyStore trusted = KeyStore.getInstance(KeyStore.getDefaultType());
        trusted.load(null, null);
        try (InputStream file = new FileInputStream(anchors)) {
            for (Certificate anchor : CertificateFactory.getInstance("X.509").generateCertificates(file)) {
                trusted.setCertificateEntry("anchor-" + trusted.size(), anchor);
            }
        }
        TrustManagerFactory theirs = TrustManagerFactory.getInstance("PKIX");
        theirs.init(trusted);

        SSLContext context = SSLContext.getInstance("TLS");
        context.init(own.getKeyManagers(), theirs.getTrustManagers(), null);
        return context;
    }

    /** Passes the pieces of stdin on until it ends, then closes. */
    private static void send(SSLSocket socket) {
        try {
            DataInputStream pieces = new DataInputStream(System.in);
            OutputStream out = socket.getOutputStream();
            while (true) {
                byte[] piece;
                try {
                    piece = pieces.readNBytes(pieces.readInt());
                } catch (EOFException end) {
                    break;
                }
                out.write(piece);
                out.flush();
            }
            socket.shutdownOutput();
        } catch (IOException gone) {
            System.err.println("sending: " + gone);
        }
    }

    private static void receive(InputStream in) throws IOException {
        byte[] chunk = new byte[16384];
        for (int read = in.read(chunk); read >= 0; read = in.read(chunk)) {
            System.out.write(chunk, 0, read);
            System.out.flush();
        }
    }
}
